"""What differs between machines: files, processes, locks, cores and memory."""
