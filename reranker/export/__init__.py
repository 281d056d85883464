"""What people take away. `xmp` needs the extra `xmp`."""
