package query

import (
	"slices"
	"strings"
)

// items reads what stands behind RETURN.
func (p *parser) items() ([]Item, error) {
	if t := p.peek(); t.word("TREE") && !p.ahead(1).is(".") {
		return nil, notYet(p.text, t.pos, "RETURN TREE")
	}
	var out []Item
	for {
		item, err := p.item()
		if err != nil {
			return nil, err
		}
		if p.acceptWord("AS") {
			t := p.peek()
			if t.text == "" || t.kind != tokIdent && t.kind != tokString {
				return nil, p.unexpected("a label")
			}
			if item.All {
				return nil, problem(p.text, t.pos, "leave out AS", "%s makes many columns", item.text())
			}
			item.Label = p.next().text
		}
		if out = append(out, item); len(out) > maxItems {
			return nil, problem(p.text, item.Pos, "use alias.*", "more than %d items", maxItems)
		}
		if !p.accept(",") {
			return out, nil
		}
	}
}

func aggregates() []string { return []string{"COUNT", "MIN", "MAX", "AVG", "SUM"} }

func scalarFunctions() []string {
	return []string{"ABS", "SQRT", "CEIL", "FLOOR", "ROUND", "COALESCE", "CONCAT", "MERGE"}
}

// item reads one element of RETURN without its label.
func (p *parser) item() (Item, error) {
	t := p.peek()
	i := Item{Pos: t.pos}
	switch {
	case t.kind == tokNumber, t.kind == tokString, t.is("("), t.is("-"):
		return i, notYet(p.text, t.pos, "constants and arithmetic in RETURN")
	case t.kind == tokIdent && p.ahead(1).is("("):
		if err := p.function(&i); err != nil {
			return i, err
		}
	default:
		if err := p.reference(&i); err != nil {
			return i, err
		}
	}
	switch t := p.peek(); {
	case t.is("+"), t.is("-"), t.is("*"), t.is("/"), t.is("^"):
		return i, notYet(p.text, t.pos, "arithmetic in RETURN")
	}
	return i, nil
}

// function reads COUNT(alias) and the like.
func (p *parser) function(i *Item) error {
	t := p.next()
	name := strings.ToUpper(t.text)
	if slices.Contains(scalarFunctions(), name) {
		return notYet(p.text, t.pos, "function "+name)
	}
	for _, f := range aggregates() {
		if f == name {
			i.Func = Func(f)
		}
	}
	if i.Func == None {
		return problem(p.text, t.pos, didYouMean(t.text, append(aggregates(), scalarFunctions()...)), "unknown function %s", quote(t.text))
	}
	p.next()
	if t := p.peek(); t.is("*") {
		return problem(p.text, t.pos, "write "+name+"(alias)", "unexpected token %s", quote("*"))
	}
	if err := p.reference(i); err != nil {
		return err
	}
	if i.All {
		return problem(p.text, i.Operand.Pos, "leave out .*", "%s takes an alias or one property", name)
	}
	if i.Func != Count && i.Operand.Property == "" {
		return problem(p.text, i.Operand.Pos, "write "+name+"("+i.Operand.Alias+".property)", "%s needs a property", name)
	}
	return p.expect(")")
}

// reference reads alias, alias.property or alias.*.
func (p *parser) reference(i *Item) error {
	alias, err := p.name("an alias, alias.property or COUNT(alias)", false)
	if err != nil {
		return err
	}
	i.Operand = Operand{Pos: alias.Pos, Alias: alias.Text}
	if !p.accept(".") {
		return nil
	}
	if p.accept("*") {
		i.All = true
		return nil
	}
	i.Operand.Property, err = p.property()
	return err
}

// order reads what stands behind ORDER.
func (p *parser) order(at Pos) (*Order, error) {
	if !p.acceptWord("BY") {
		return nil, p.unexpected("BY", "BY")
	}
	o := &Order{Pos: p.peek().pos, column: -1}
	if t := p.peek(); t.kind == tokString && t.text != "" {
		o.Label = p.next().text
	} else {
		item, err := p.item()
		if err != nil {
			return nil, err
		}
		if item.All {
			return nil, problem(p.text, item.Pos, "name one property", "ORDER BY cannot use %s", item.text())
		}
		if item.Func == None && item.Operand.Property == "" {
			o.Label = item.Operand.Alias
		} else {
			o.By = &item
		}
	}
	if p.acceptWord("DESC") {
		o.Desc = true
	} else {
		p.acceptWord("ASC")
	}
	return o, nil
}
