package bitbucket

import "github.com/windlass-hq/windlass/internal/graph"

// Record collects the properties of one object while it is converted, and what was odd about it. For every setter a
// missing value is unknown and leaves the property out, null is known absence and becomes nil, and a value of the
// wrong kind is odd and leaves the property out.
type Record struct {
	Props graph.Properties
	odd   []string
}

// NewRecord returns a Record with room for a number of properties.
func NewRecord(size int) *Record { return &Record{Props: make(graph.Properties, size)} }

// Oddly notes that a property is not what the vendor describes.
func (r *Record) Oddly(name, what string) { r.odd = append(r.odd, name+" is "+what) }

// Odd returns what was noted, in order.
func (r *Record) Odd() []string { return r.odd }

// Text sets a string and returns it as it was set; an empty one counts as absent. Whatever people write may hold an
// address with a password or token in it, so those are masked.
func (r *Record) Text(name string, v JSON) string { return r.text(name, v, MaskSecrets) }

// HookURL sets the address that a webhook sends to, masked as MaskHookURL says, and returns it so.
func (r *Record) HookURL(name string, v JSON) string { return r.text(name, v, MaskHookURL) }

// HookWords sets what people wrote about a webhook, masked as MaskHookWords says, and returns it so.
func (r *Record) HookWords(name string, v JSON) string { return r.text(name, v, MaskHookWords) }

func (r *Record) text(name string, v JSON, mask func(string) string) string {
	switch {
	case v.Missing():
		return ""
	case v.Null():
		r.Props[name] = nil
		return ""
	}
	s, ok := v.Text()
	if !ok {
		r.Oddly(name, "no text")
		return ""
	}
	if s == "" {
		r.Props[name] = nil
		return ""
	}
	s = mask(s)
	r.Props[name] = s
	return s
}

// Link sets the address of a page for people, without secrets that it may carry.
func (r *Record) Link(name string, v JSON) { r.Text(name, v) }

// Flag sets a boolean.
func (r *Record) Flag(name string, v JSON) {
	switch {
	case v.Missing():
	case v.Null():
		r.Props[name] = nil
	default:
		if b, ok := v.Flag(); ok {
			r.Props[name] = b
		} else {
			r.Oddly(name, "neither true nor false")
		}
	}
}

// Negated sets a flag that the provider states the other way round.
func (r *Record) Negated(name string, v JSON) {
	r.Flag(name, v)
	if b, ok := r.Props[name].(bool); ok {
		r.Props[name] = !b
	}
}

// Number sets a whole number.
func (r *Record) Number(name string, v JSON) {
	switch {
	case v.Missing():
	case v.Null():
		r.Props[name] = nil
	default:
		if n, ok := v.Integer(); ok {
			r.Props[name] = n
		} else {
			r.Oddly(name, "no whole number")
		}
	}
}

// Time sets a time that is written as ISO 8601 text and returns it, or 0.
func (r *Record) Time(name string, v JSON) int64 { return r.when(name, v, JSON.Time) }

// Moment sets a time in any of the forms of JSON.Moment and returns it, or 0.
func (r *Record) Moment(name string, v JSON) int64 { return r.when(name, v, JSON.Moment) }

func (r *Record) when(name string, v JSON, read func(JSON) (int64, bool)) int64 {
	switch {
	case v.Missing():
	case v.Null():
		r.Props[name] = nil
	default:
		if t, ok := read(v); ok {
			r.Props[name] = t
			return t
		}
		r.Oddly(name, "no time")
	}
	return 0
}

// List notes a value that should be a list and is not.
func (r *Record) List(name string, v JSON) {
	if !v.Missing() && !v.Null() && !v.IsArray() {
		r.Oddly(name, "no list")
	}
}

// Object notes a value that should be an object and is not.
func (r *Record) Object(name string, v JSON) {
	if !v.Missing() && !v.Null() && !v.IsObject() {
		r.Oddly(name, "no object")
	}
}

// Inner returns the member of an object that a path leads to: missing where an object is missing or lacks it, null
// where an object on the way is null.
func Inner(object JSON, path ...string) JSON {
	for _, name := range path {
		if object.Missing() || object.Null() {
			return object
		}
		object = object.Get(name)
	}
	return object
}

// descriptionLength is how much of a description becomes a property (reference/jupiterone.md 1.2); the whole text is
// in the raw object.
const descriptionLength = 80

// Description sets the beginning of a long text. It is masked before it is cut: half a password is no address any more.
func (r *Record) Description(name string, v JSON) {
	if text := r.Text(name, v); text != "" {
		r.Props[name] = shorten(text, descriptionLength)
	}
}

// shorten returns the first n characters of a text.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
