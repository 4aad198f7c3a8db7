package books

// Through is the checkpoint that the line's look left.
func (l Line) Through() string { return l.through }
