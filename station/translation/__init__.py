"""For developers: gathers texts into the catalogues, and finds what is missing (docs/translations.md)."""
