package memory

// Answers is how many answers are remembered.
func (x *Index) Answers() int {
	n := 0
	x.present.Load().answers.Range(func(any, any) bool {
		n++
		return true
	})
	return n
}

// MaxAnswers bounds them.
const MaxAnswers = maxAnswers
