"""The commands of `shotline`, a module for each group. Each imports what it needs in its body: --help must be quick."""
