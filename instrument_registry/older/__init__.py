"""What programs of the older package expect besides names: shapes of answers, a file loaded."""
