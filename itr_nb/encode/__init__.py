"From pixels and words to vectors"
