"""Several devices: workers on GPUs and machines, and who of them gets which batch. Ray needs the extra `cluster`."""
