"""What ``tools/check_links.py`` is made of: which links there are, what a look at one finds, and what is to be made of it."""
