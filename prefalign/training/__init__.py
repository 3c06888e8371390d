"""What happens around the steps of training: measuring, keeping the best, finding what fits."""
