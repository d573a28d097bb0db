"""Whether what is stored holds together: named checks, done by the hour and on demand."""
