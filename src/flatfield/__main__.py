"""`python -m flatfield` is the command line."""

from flatfield.faces.cli import main

if __name__ == "__main__":
    main()
