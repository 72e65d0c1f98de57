"""What the benchmarks share: photo sets, backbones for times, results as JSON, and the tables that are made of them."""
