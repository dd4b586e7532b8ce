package intake

// ParseSignature is for fuzzing.
func ParseSignature(text string) ([]byte, bool) { return parseSignature(text) }
