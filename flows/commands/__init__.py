"""The commands of `shotline`, one module per group. Each imports what it needs in its body: --help must be quick."""
