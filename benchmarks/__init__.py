"""What we claim about speed and memory, measured beside what people use instead."""
