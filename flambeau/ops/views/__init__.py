"""Views: other geometry over the same memory, and the layout ops built on them."""
