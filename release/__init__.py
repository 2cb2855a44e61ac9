"""A release: wheel, sdist and images of one commit, with their papers; the same bytes whoever makes them."""
