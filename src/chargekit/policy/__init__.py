"""The rulebook: portfolio, site type and site, over five domains."""
