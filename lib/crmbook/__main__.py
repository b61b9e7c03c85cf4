"""`python -m crmbook`: the command line without the installed script."""

from crmbook.cli import main

main(prog_name="crmbook")
