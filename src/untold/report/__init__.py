"""The page that a person looks at and listens to."""
