-- Document -> AsciiDoc in which everything literal is safe from Asciidoctor and from pandoc's own reader.
-- Numeric character references are the one escape that both understand everywhere.
local function reference(c) return string.format("&#%d;", utf8.codepoint(c)) end

local SPECIAL = "[\\%*_`#%[%]{}<>%^~%+|&'\"]"

local function literal(s)
  local out = s:gsub(SPECIAL, reference)
  out = out:gsub("::", "&#58;&#58;"):gsub(";;", "&#59;&#59;"):gsub("^:", "&#58;"):gsub(":$", "&#58;")
  out = out:gsub("%-%-", "&#45;&#45;"):gsub("%.%.", "&#46;&#46;"):gsub("^[%.=/%-!]", reference)
  out = out:gsub("^(%w+)%.$", "%1&#46;"):gsub("^(%w+)%)$", "%1&#41;"):gsub("%((%u+)%)", "&#40;%1&#41;")
  out = out:gsub("://", "&#58;//"):gsub("@", "&#64;")
  return out
end

local filter = {
  Str = function(el)
    local s = literal(el.text)
    if s ~= el.text then return pandoc.RawInline("asciidoc", s) end
  end,
  Code = function(el)
    if el.text:match("^%s*$") then return pandoc.Str("") end
    return pandoc.RawInline("asciidoc", "``" .. el.text:gsub("%p", reference) .. "``")
  end,
  Math = function(el)
    if el.mathtype == "InlineMath" then
      return pandoc.RawInline("asciidoc", "latexmath:[" .. el.text:gsub("\n", " "):gsub("%]", "\\]") .. "]")
    end
  end,
  CodeBlock = function(el)
    -- a line of a listing that looks like a directive would be obeyed by Asciidoctor
    local safe = ("\n" .. el.text):gsub("\n(include::)", "\n\\%1"):gsub("\n(%l+def::)", "\n\\%1")
    safe = safe:gsub("\n(ifeval::)", "\n\\%1"):gsub("\n(endif::)", "\n\\%1"):sub(2)
    local longest = 3
    for dashes in safe:gmatch("%-+") do longest = math.max(longest, #dashes) end
    local fence = string.rep("-", longest + 1)
    local lang = el.classes[1] and el.classes[1]:match("^[%w+#-]+$")
    local head = lang and "[source," .. lang .. "]\n" or "[listing]\n"
    return pandoc.RawBlock("asciidoc", head .. fence .. "\n" .. safe .. "\n" .. fence)
  end,
  Header = function(el) el.identifier = ""; return el end,
}

return function(doc)
  return pandoc.write(doc:walk(filter), "asciidoc", { wrap_text = "none" })
end
