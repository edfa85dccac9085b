"""Read Human3.6M: from annotations and images to samples and network inputs."""
