"""TRL's trainers as engines of our runs: for each method a module that adapts one."""
