"""What ``tools/add_paper.py`` is made of: who is asked about a paper, what each says, and how an entry comes of it."""
