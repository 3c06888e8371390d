"""Side-by-side benchmarks: ratios in one run against what people use instead."""
