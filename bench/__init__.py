"""What measures the product (section 7 of issue 2): `python -m bench` prints one table."""
