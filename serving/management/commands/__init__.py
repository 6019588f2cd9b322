"""Commands of manage.py that run things."""
