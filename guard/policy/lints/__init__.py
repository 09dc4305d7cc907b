"""What a policy says that works, and that nobody can have meant: one small file a subject, all warnings."""
