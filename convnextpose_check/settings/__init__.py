"""What a user has set: each option declared once."""
