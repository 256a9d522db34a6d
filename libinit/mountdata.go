package libinit

import "strings"

// splitData takes apart strings of several options, as "size=64k,mode=700": mount(2) takes all options as one such
// string, so engines may write them in one, but fsconfig(2) takes them one by one. A comma within double quotes
// or after a backslash is part of a value; the quotes themselves are not.
func splitData(data []string) []string {
	var all []string
	for _, s := range data {
		for s != "" {
			var option string
			option, s = cutOption(s)
			if option != "" {
				all = append(all, option)
			}
		}
	}
	return all
}

// cutOption cuts the first option off.
func cutOption(s string) (option, rest string) {
	if strings.IndexByte(s, '"') < 0 && strings.IndexByte(s, ',') < 0 {
		return s, ""
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return b.String(), s[i+1:]
		case c == '\\' && !quoted && i+1 < len(s) && s[i+1] == ',':
			b.WriteString(s[i : i+2]) // the filesystem takes the backslash away
			i++
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// joinData makes the one string of mount(2). A security context, which may have commas, goes in quotes.
func joinData(data []string) string {
	all := make([]string, len(data))
	for i, option := range data {
		key, value, _ := strings.Cut(option, "=")
		if strings.HasSuffix(key, "context") && strings.Contains(value, ",") {
			option = key + `="` + value + `"`
		}
		all[i] = option
	}
	return strings.Join(all, ",")
}
