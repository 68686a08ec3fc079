"""Building node images (UKIs) from Debian's packages. Never: booting them, judging them."""
