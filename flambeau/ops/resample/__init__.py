"""Images of other sizes, and values of images between their pixels."""
