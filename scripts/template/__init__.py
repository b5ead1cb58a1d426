"""What must hold of template.yaml, checked without an account."""
