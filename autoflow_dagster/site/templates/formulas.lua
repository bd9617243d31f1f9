-- Run by `pandoc lua`: a JSON list of formulas in, a JSON list of the same formulas in MathML out.
local found = {}
for i, formula in ipairs(pandoc.json.decode(io.read("a"), false)) do
  local kind = formula.display and "DisplayMath" or "InlineMath"
  local doc = pandoc.Pandoc { pandoc.Plain { pandoc.Math(kind, formula.text) } }
  found[i] = pandoc.write(doc, "html5", { html_math_method = "mathml", wrap_text = "none" })
end
io.write(pandoc.json.encode(found))
