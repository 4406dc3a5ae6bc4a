// Package jsonscan reads JSON in one pass, for policy modules: no reflection,
// no tree, next to no allocation, nothing that TinyGo lacks.
//
// A reader walks the text with callbacks and takes what it wants:
//
//	d := jsonscan.New(object)
//	err := d.Object(func(key []byte) error {
//		switch string(key) { // does not allocate
//		case "name":
//			name, err = d.String()
//			return err
//		case "ports":
//			return d.Array(func() error {
//				port, err := d.Int64()
//				ports = append(ports, port)
//				return err
//			})
//		}
//		return nil // what a callback leaves unread is passed over
//	})
//
// The syntax is RFC 8259, strictly: no comments, no trailing commas, no bare
// control characters in strings, and UTF-8 must be valid. What is passed over is
// checked as well. Nesting is bounded by MaxDepth.
//
// As in the Kubernetes API, null stands for a value that is not there: Object and
// Array call nothing for it, and String, Int64, Bool give the zero value. A
// reader who has to tell the two apart asks IsNull first. Keys are compared by
// the reader, so they are case-sensitive; a key that occurs twice is handed over
// twice.
//
// Errors are *Error and carry the offset and the path of the value at fault.
package jsonscan
