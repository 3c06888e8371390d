"""Steps of a plan: one module is one step, and knows nothing of the others."""
