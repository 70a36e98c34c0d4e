"""Views: other geometry over the same memory."""
