"""What agents get to read: outputs in brief and whole, text, pictures, and the limits of a reply."""
