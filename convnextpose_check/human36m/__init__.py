"""Human3.6M on disk: from annotations and images to samples and crops."""
