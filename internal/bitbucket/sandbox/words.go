package sandbox

import (
	"strconv"
	"strings"
	"unicode"
)

// The lists below are made up for the sandbox: no person, company or project is meant.

func syllables() []string {
	return []string{
		"ka", "lo", "mi", "ren", "sa", "tor", "vel", "nu", "ari", "del", "fen", "go", "hal", "ilo", "jun", "kor", "lin",
		"mar", "nad", "ost", "pel", "qui", "ros", "sel", "tam", "ulf", "vin", "wes", "yor", "zan", "é", "ø", "ñi", "ša", "žu", "łu", "ça", "ö",
	}
}

func foreignNames() [][2]string {
	return [][2]string{
		{"Ялена", "Корвинская"},
		{"Тавор", "Міленко"},
		{"Όριον", "Καλβάδης"},
		{"Δήμα", "Σελήνου"},
		{"林", "若溪"},
		{"周", "沐岚"},
		{"霧島", "朔也"},
		{"早瀬", "みのり"},
		{"서", "다온"},
		{"한", "예림"},
		{"سامر", "الوردي"},
		{"ليان", "الحكيم"},
		{"נועם", "אלבוים"},
		{"अनय", "वर्धन"},
		{"ธารา", "วงศ์สวัสดิ์"},
		{"Thảo", "Nguyệt Cầm"},
	}
}

// personName composes a name; about one in eight is written in another script.
func personName(r *random) (given, family string) {
	if r.chance(0.12) {
		n := pick(r, foreignNames())
		return n[0], n[1]
	}
	s := syllables()
	compose := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(pick(r, s))
		}
		return capital(b.String())
	}
	given, family = compose(2), compose(2+r.intn(2))
	switch {
	case r.chance(0.03):
		family = "O'" + family
	case r.chance(0.04):
		family += "-" + compose(2)
	case r.chance(0.02):
		given += " \"" + compose(1) + "\""
	case r.chance(0.01):
		given += " 🚀"
	}
	return given, family
}

func capital(s string) string {
	for i, c := range s {
		return string(unicode.ToUpper(c)) + s[i+len(string(c)):]
	}
	return s
}

// slugify keeps ASCII letters, digits, dots and underscores; everything else becomes a hyphen.
func slugify(s string) string {
	var b strings.Builder
	hyphen := false
	for _, c := range strings.ToLower(s) {
		if plain, ok := unaccented(c); ok {
			c = plain
		}
		if c < 128 && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_') {
			if hyphen && b.Len() > 0 {
				b.WriteByte('-')
			}
			hyphen = false
			b.WriteRune(c)
			continue
		}
		hyphen = true
	}
	return b.String()
}

func unaccented(c rune) (rune, bool) {
	switch c {
	case 'é', 'è', 'ê':
		return 'e', true
	case 'ø', 'ö', 'ó':
		return 'o', true
	case 'ü', 'ú':
		return 'u', true
	case 'ä', 'å', 'á':
		return 'a', true
	case 'ñ':
		return 'n', true
	case 'š':
		return 's', true
	case 'ž':
		return 'z', true
	case 'ł':
		return 'l', true
	case 'ç':
		return 'c', true
	}
	return 0, false
}

func subjects() []string {
	return []string{
		"payment", "billing", "invoice", "ledger", "checkout", "catalog", "search", "identity", "session", "gateway",
		"notification", "report", "audit", "inventory", "shipment", "pricing", "loyalty", "mobile", "desktop", "telemetry",
		"scheduler", "archive", "document", "translation", "media", "routing", "forecast", "warehouse", "risk", "partner",
	}
}

func things() []string {
	return []string{
		"service", "api", "web", "worker", "library", "client", "schema", "pipeline", "infra", "console",
		"adapter", "proxy", "importer", "exporter", "toolkit", "portal", "agent", "engine", "daemon", "docs",
	}
}

func languages() []string {
	return []string{"go", "java", "typescript", "python", "kotlin", "c#", "javascript", "rust", "terraform", "ruby", "php", ""}
}

func actions() []string {
	return []string{
		"Add", "Fix", "Remove", "Refactor", "Speed up", "Document", "Test", "Upgrade", "Simplify", "Deprecate",
		"Support", "Validate", "Cache", "Log", "Retry", "Harden", "Localise", "Split", "Rename", "Revert",
	}
}

func objectsOfWork() []string {
	return []string{
		"the token refresh", "rounding of totals", "slow start-up", "the retry policy", "time zones in exports",
		"empty result pages", "the health check", "the settings form", "pagination", "unused feature flags",
		"null addresses", "the build image", "error messages", "the import of prices", "rate limiting",
		"the audit trail", "memory use of the worker", "e-mail templates", "the nightly job", "keyboard navigation",
		"Überweisungen über 10 000 €", "l’écran d’accueil", "поиск по имени", "検索結果の並び順", "支付回调", "the “smart” quotes",
	}
}

func branchKinds() []string {
	return []string{"feature", "feature", "feature", "bugfix", "bugfix", "hotfix", "chore", "renovate", "users"}
}

func reasons() []string {
	return []string{
		"Superseded by another approach.", "Not needed any more.", "Wrong branch, will reopen.", "Zu groß, bitte aufteilen.", "We agreed to wait for the new gateway.",
	}
}

// prTitle composes the title of pull request number id.
func prTitle(r *random, key string, id int) string {
	t := pick(r, actions()) + " " + pick(r, objectsOfWork())
	switch n := r.intn(40); {
	case n < 18:
		t = key + "-" + strconv.Itoa(100+id*3+r.intn(3)) + ": " + t
	case n == 18:
		t = "🐛 " + t
	case n == 19:
		t = "[WIP] \"" + t + "\" <script>alert(1)</script> & more"
	case n == 20:
		for len(t) < 220 {
			t += ", " + strings.ToLower(pick(r, actions())) + " " + pick(r, objectsOfWork())
		}
	case n == 21:
		t = "fix(" + pick(r, subjects()) + "): " + t
	}
	return t
}

func prDescription(r *random) (text string, null bool) {
	switch n := r.intn(20); {
	case n == 0:
		return "", true
	case n < 6:
		return "", false
	case n < 14:
		return capital(pick(r, objectsOfWork())) + " needs attention since the last release.", false
	}
	return "## Why\n\n" + capital(pick(r, objectsOfWork())) + " breaks for some customers.\n\n## What\n\n* " +
		pick(r, actions()) + " " + pick(r, objectsOfWork()) + "\n* " + pick(r, actions()) + " " + pick(r, objectsOfWork()), false
}

func prBranch(r *random, key string, id int) string {
	kind := pick(r, branchKinds())
	n := strconv.Itoa(id)
	switch {
	case kind == "renovate":
		return "renovate/" + pick(r, subjects()) + "-" + n + ".x"
	case r.chance(0.02):
		return kind + "/новая-ветка-" + n
	case r.chance(0.02):
		return kind + "/größe#" + n
	}
	return kind + "/" + key + "-" + n + "-" + pick(r, subjects())
}
