-- AsciiDoc, as pandoc reads it, made ready for the Typst of report.typst.
--
-- parts.json has what stands in the AsciiDoc as a one-word paragraph: Markdown, tables, pictures, listings.
-- pictures.json says which file (or which remark) stands for the source of a picture.
local here = pandoc.path.directory(PANDOC_SCRIPT_FILE)
local shared = dofile(pandoc.path.join { here, "shared.lua" })

local function load_json(name)
  local file = io.open(name, "rb")
  if not file then return {} end
  local text = file:read("a")
  file:close()
  return pandoc.json.decode(text, false)
end

local job = load_json("job.json")
local parts, pictures, key = job.parts, job.pictures, job.key
local degraded = job.degraded or 0
local wanted_links = {}

-- A Typst string literal.
local function quoted(s)
  return '"' .. s:gsub('[\\"]', "\\%0"):gsub("\n", "\\n"):gsub("\t", "\\t"):gsub("%c", "") .. '"'
end

local function typst(text) return pandoc.RawBlock("typst", text) end
local function typst_inline(text) return pandoc.RawInline("typst", text) end
-- Typst would make a true minus of "-1" and one sign of "...": data must stay what they are.
local function literal(s)
  if s.text:match("%.%.") or s.text:match("%-") then return typst_inline("#" .. quoted(s.text) .. ";") end
end

local function written(blocks)
  return (pandoc.write(pandoc.Pandoc(blocks):walk { Str = literal }, "typst", { wrap_text = "none" }):gsub("%s+$", ""))
end
local function note(text) return typst("#note(" .. quoted(text) .. ")") end

-- Placeholders ------------------------------------------------------------------------------------

local FORMATS = { markdown = shared.MARKDOWN, html = "html", asciidoc = "asciidoc" }

local function part_blocks(n)
  local part = parts[n]
  if not part then return pandoc.Blocks {} end
  if part.kind == "typst" then return pandoc.Blocks { typst(part.text) } end
  if part.kind == "math" then
    return pandoc.Blocks { pandoc.Para { pandoc.Math("DisplayMath", part.text) } }
  end
  if degraded >= 2 then return pandoc.Blocks { pandoc.CodeBlock(part.text) } end
  local ok, doc = pcall(shared.read, part.text, FORMATS[part.kind])
  if not ok then return pandoc.Blocks { note(job.words.unreadable), pandoc.CodeBlock(part.text) } end
  return doc.blocks
end

local pattern = "autoflow" .. key .. "x(%d+)x"

local function only_placeholders(text)
  return text:match(pattern) and text:gsub(pattern, ""):match("^%s*$")
end

local function expand(blocks)
  local out, changed = pandoc.Blocks {}, false
  for _, b in ipairs(blocks) do
    local text = (b.t == "Para" or b.t == "Plain") and pandoc.utils.stringify(b.content) or b.t == "CodeBlock" and b.text or ""
    if only_placeholders(text) then
      changed = true
      for n in text:gmatch(pattern) do out:extend(part_blocks(tonumber(n))) end
    else
      if b.t == "CodeBlock" and text:match(pattern) then
        changed = true
        b.text = text:gsub(pattern, function(n) return (parts[tonumber(n)] or {}).plain or "" end)
      end
      out:insert(b)
    end
  end
  if changed then return out end
end

-- Quirks of the AsciiDoc reader --------------------------------------------------------------------

local imagesdir, wants_contents = "", false

local function length(v)
  if not v then return nil end
  v = v:gsub("%s", "")
  if v:match("^[%d.]+%%$") then return v end
  local n, unit = v:match("^([%d.]+)(%a*)$")
  if not n or not tonumber(n) then
    n = v:match("^([%d.]+)vw$")
    return n and n .. "%" or nil
  end
  if unit == "vw" then return n .. "%" end
  if unit == "" or unit == "px" then return string.format("%.2fpt", tonumber(n) * 0.75) end
  if unit == "pt" or unit == "cm" or unit == "mm" or unit == "in" or unit == "em" then return n .. unit end
end

local function tight(list)
  for i, item in ipairs(list.content) do
    for j, b in ipairs(item) do if b.t == "Para" then item[j] = pandoc.Plain(b.content) end end
    list.content[i] = item
  end
  return list
end

-- Pictures -----------------------------------------------------------------------------------------

local function picture_of(src)
  local plain = src:gsub("^%./", "")
  return pictures[src] or pictures[plain] or pictures[imagesdir .. plain] or { note = job.words.missing_picture }
end

local function picture_arguments(img, attrs)
  local found = picture_of(img.src)
  if found.note then return nil, found.note end
  local a = img.attributes
  local width = length(attrs.pdfwidth) or length(attrs.scaledwidth) or length(attrs.width) or length(a.width) or found.width
  local alt = pandoc.utils.stringify(img.caption)
  return quoted(found.file) .. (width and ", width: " .. width or "") .. (alt ~= "" and ", alt: " .. quoted(alt) or "")
end

local function picture_block(img, attrs, caption)
  local arguments, problem = picture_arguments(img, attrs)
  if not arguments then
    local alt = pandoc.utils.stringify(img.caption)
    return note(problem .. (alt ~= "" and " (" .. alt .. ")" or ""))
  end
  if caption and #caption > 0 and pandoc.utils.stringify(caption) ~= "" then
    arguments = arguments .. ", caption: [" .. written(caption) .. "]"
  elseif img.title ~= "" then
    arguments = arguments .. ", caption: [#" .. quoted(img.title) .. "]"
  end
  return typst("#picture(" .. arguments .. ")")
end

local function figure_block(fig, attrs)
  local img
  fig:walk { Image = function(i) img = img or i end }
  if not img then return nil end
  local caption = fig.caption.long
  if pandoc.utils.stringify(caption) == pandoc.utils.stringify(img.caption) and not attrs.title then
    if not attrs.wrapper then caption = {} end
  end
  return picture_block(img, attrs, caption)
end

local function lone_picture(p)
  if #p.content == 1 and p.content[1].t == "Image" then return picture_block(p.content[1], {}, {}) end
end

local function inline_picture(img)
  local arguments, problem = picture_arguments(img, {})
  if not arguments then
    return pandoc.Inlines { pandoc.Emph { pandoc.Str("[" .. problem .. "]") } }
  end
  return typst_inline("#inline-picture(" .. arguments .. ")")
end

-- Tables -------------------------------------------------------------------------------------------

local ALIGN = { AlignLeft = "left", AlignRight = "right", AlignCenter = "center" }

local function cell_fill(cell)
  local fill
  local contents = cell.contents:walk { Str = function(s)
    local c = s.text:match("{set:cellbgcolor:(#%x+)}")
    fill = fill or c
    local rest = s.text:gsub("{set:cellbgcolor[^}]*}", "")
    if rest ~= s.text then return rest == "" and {} or pandoc.Str(rest) end
  end }
  if #contents == 1 and contents[1].t == "Para" then contents = pandoc.Blocks { pandoc.Plain(contents[1].content) } end
  return contents, fill
end

local function longest_word(text)
  local best = ""
  for w in text:gmatch("%S+") do if #w > #best then best = w end end
  return best
end

local function is_number(text)
  return text == "" or text:match("^[+%-−]?[%d.,  ]+%s*%%?$") ~= nil
end

local function table_block(t)
  local rows, head = pandoc.List {}, #t.head.rows
  rows:extend(t.head.rows)
  for _, b in ipairs(t.bodies) do rows:extend(b.head); rows:extend(b.body) end
  rows:extend(t.foot.rows)  -- the AsciiDoc reader takes every last row for a foot, which would repeat
  local n = #t.colspecs
  local taken, cells, full, words, numeric = {}, {}, {}, {}, {}
  for i = 1, n do full[i], words[i], numeric[i] = {}, {}, true end
  for y, row in ipairs(rows) do
    local x = 1
    for _, cell in ipairs(row.cells) do
      while taken[y .. ":" .. x] do x = x + 1 end
      if x > n then break end
      local cs, rs = math.min(cell.col_span, n - x + 1), math.min(cell.row_span, #rows - y + 1)
      for dy = 0, rs - 1 do for dx = 0, cs - 1 do taken[(y + dy) .. ":" .. (x + dx)] = true end end
      local contents, fill = cell_fill(cell)
      local text = pandoc.utils.stringify(contents)
      local body = #contents == 0 and '""' or "[" .. written(contents) .. "]"
      local a = ALIGN[cell.alignment]
      table.insert(cells, string.format("(x: %d, y: %d, b: %s%s%s%s%s)", x - 1, y - 1, body,
        cs > 1 and ", cs: " .. cs or "", rs > 1 and ", rs: " .. rs or "",
        fill and ', f: rgb("' .. fill .. '")' or "", a and ", a: " .. a or ""))
      if cs == 1 then
        if #full[x] < 300 then table.insert(full[x], body) end
        table.insert(words[x], { #longest_word(text), longest_word(text) })
        if y > head and not is_number(text) then numeric[x] = false end
      end
      x = x + cs
    end
  end
  local align = {}
  for i = 1, n do
    table.sort(words[i], function(a, b) return a[1] > b[1] end)
    local top = {}
    for j = 1, math.min(3, #words[i]) do top[j] = quoted(words[i][j][2]) end
    words[i] = "(" .. table.concat(top, ", ") .. (#top > 0 and "," or "") .. ")"
    full[i] = "(" .. table.concat(full[i], ", ") .. (#full[i] > 0 and "," or "") .. ")"
    align[i] = ALIGN[t.colspecs[i][1]] or (numeric[i] and #rows > head and "right") or "left"
  end
  if n == 0 or #rows == 0 then return {} end
  local caption = #t.caption.long > 0 and ", caption: [" .. written(t.caption.long) .. "]" or ""
  return typst(string.format("#report-table(columns: %d, head: %d, rows: %d, align: (%s,), cells: (%s,), full: (%s,), words: (%s,)%s)",
    n, head, #rows, table.concat(align, ", "), table.concat(cells, ", "), table.concat(full, ", "), table.concat(words, ", "), caption))
end

-- Text that runs from right to left ------------------------------------------------------------------

local function is_rtl(text)
  for _, c in utf8.codes(text, true) do
    if (c >= 0x590 and c <= 0x8FF) or (c >= 0xFB1D and c <= 0xFDFF) or (c >= 0xFE70 and c <= 0xFEFF) then return true end
    if (c >= 0x41 and c <= 0x5A) or (c >= 0x61 and c <= 0x7A) or (c >= 0xC0 and c <= 0x58F) or c >= 0x900 then return false end
  end
  return false
end

local RTL = { Para = true, Header = true, BulletList = true, OrderedList = true, BlockQuote = true, DefinitionList = true }

local function turn_rtl(blocks)
  local out, changed = pandoc.Blocks {}, false
  for _, b in ipairs(blocks) do
    if RTL[b.t] and is_rtl(pandoc.utils.stringify(b)) then
      changed = true
      out:insert(typst("#[#set text(dir: rtl)")); out:insert(b); out:insert(typst("]"))
    else out:insert(b) end
  end
  if changed then return out end
end

-- Notes and warnings ------------------------------------------------------------------------------------

local ADMONITIONS = { note = true, tip = true, important = true, warning = true, caution = true }

local function admonition(d)
  local kind, out = d.classes[1], pandoc.Blocks {}
  out:insert(typst("#admonition(" .. quoted(kind:sub(1, 1):upper() .. kind:sub(2)) .. ")["))
  for i, b in ipairs(d.content) do  -- the reader puts the kind itself first
    if i > 1 or pandoc.utils.stringify(b):lower() ~= kind then out:insert(b) end
  end
  out:insert(typst("]"))
  return out
end

-- Links, formulas, code ------------------------------------------------------------------------------

local ids = {}

local function link(l)
  local anchor = l.target:match("^#(.+)$")
  if anchor then return ids[anchor] == 1 and l or l.content end
  if not (l.target:match("^https?://") or l.target:match("^mailto:")) then return l.content end
end

local function formula(m)
  if degraded >= 1 then return pandoc.Code(m.text) end
end

local function code_block(c)
  local lang = c.classes[1]
  lang = lang and lang:match("^[%w+#-]+$")
  return typst("#code(" .. quoted(c.text) .. (lang and ", lang: " .. quoted(lang) or "") .. ")")
end

local function title_block(doc)
  local title = doc.meta.title
  local first = doc.blocks[1]
  if title and pandoc.utils.stringify(title) ~= "" then
    doc.blocks:insert(1, typst("#title-block[" .. written { pandoc.Plain(pandoc.Inlines(title)) } .. "]"))
  elseif first and first.t == "Header" and first.level == 1 and job.title_in_body then
    doc.blocks[1] = typst("#title-block[" .. written { pandoc.Plain(first.content) } .. "]")
  else
    doc.blocks:insert(1, typst("#title-block(facts.title)"))
  end
  if wants_contents then doc.blocks:insert(2, typst("#contents()")) end
  doc.meta = {}
  return doc
end

return {
  { Blocks = expand },
  { Meta = function(m)
      wants_contents = m.toc ~= nil and m.toc ~= false
      if m.imagesdir and type(m.imagesdir) ~= "boolean" then
        local d = pandoc.utils.stringify(m.imagesdir):gsub("/*$", "")
        imagesdir = d == "" and "" or d .. "/"
      end
    end,
    Header = function(h) if h.identifier ~= "" then ids[h.identifier] = (ids[h.identifier] or 0) + 1 end end },
  { Div = function(d)
      if d.classes:includes("page-break") then return typst("#pagebreak(weak: true)") end
      if ADMONITIONS[d.classes[1]] then return admonition(d) end
      if d.attributes.wrapper and #d.content == 1 then
        local b = d.content[1]
        if b.t == "Figure" then return figure_block(b, d.attributes) or b end
        return b
      end
      return d.content
    end,
    Para = function(p)
      if #p.content == 1 and p.content[1].t == "Str" and p.content[1].text:match("^'''+$") then return pandoc.HorizontalRule() end
      local n = #p.content
      if n > 1 and p.content[n].t == "Str" and p.content[n].text == "+" and p.content[n - 1].t == "Space" then
        p.content:remove(n); p.content:remove(n - 1); return p
      end
    end,
    BulletList = tight, OrderedList = tight, Link = link, Math = formula },
  { Header = function(h) if ids[h.identifier] ~= 1 then h.identifier = "" end; return h end },
  { Figure = function(f) return figure_block(f, {}) end, Para = lone_picture, Plain = lone_picture },
  { Image = inline_picture },
  { CodeBlock = code_block },
  { Table = table_block },
  { Blocks = turn_rtl },
  { Str = literal },
  { Pandoc = title_block },
}
