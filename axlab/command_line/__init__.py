"""What each subcommand of `axlab` declares and does; `axlab.cli` puts them together. Imports are inside functions."""
