"""From crops to an error in millimetres and its verdict."""
