package translate

// Of the API: priorities are 0 to 1000, lower first; a policy has at most 25
// rules in each direction, and "a rule that appears at the top [...] would take
// the highest precedence".
const (
	maxPriority = 1000
	maxRules    = 25
)

// priority gives the rule at index of a policy its place among all rules of the
// tier. The ABI asks higher numbers first.
//
// Rules of equal place belong to different policies of equal priority, of which
// the API says that "the implementation can apply any of the matching policies".
// With this numbering they are asked side by side, first rules first, and of two
// that match the one that denies wins, then the one that passes: whatever the
// policies are called and whenever they were made. The answer is always that of
// the first matching rule of one of them, because the order within each is kept.
func priority(policy int64, index int) int32 {
	return int32((maxPriority-policy)*maxRules + int64(maxRules-1-index))
}
