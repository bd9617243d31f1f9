-- Reading the Markdown and HTML of notebooks: shared by the batch reader and by the Typst filter.
local M = {}

M.MARKDOWN = "gfm-yaml_metadata_block-emoji+tex_math_dollars+footnotes+definition_lists"

-- Tags that Markdown authors write inside a line, and what they become.
local PAIRS = {
  b = pandoc.Strong, strong = pandoc.Strong, i = pandoc.Emph, em = pandoc.Emph, sub = pandoc.Subscript,
  sup = pandoc.Superscript, u = pandoc.Underline, s = pandoc.Strikeout, del = pandoc.Strikeout,
  small = pandoc.Span, span = pandoc.Span, font = pandoc.Span, mark = pandoc.Span, center = pandoc.Span,
}

local DROPPED = { script = true, style = true, iframe = true, object = true, noscript = true }

local function tag_of(el)
  if el.t ~= "RawInline" or not el.format:match("^html") then return nil end
  local close, name = el.text:match("^<(/?)%s*([%a][%w]*)")
  return name and name:lower(), close == "/"
end

-- Attributes of raw HTML may hold handlers and styles: none is kept but the width of a picture.
local function bare(el)
  el.attr = pandoc.Attr()
  return el
end

local function bare_rows(rows)
  for _, row in ipairs(rows) do
    row.attr = pandoc.Attr()
    for i, cell in ipairs(row.cells) do row.cells[i] = bare(cell) end
  end
end

local function bare_table(t)
  bare(t)
  bare_rows(t.head.rows)
  bare_rows(t.foot.rows)
  t.head.attr, t.foot.attr = pandoc.Attr(), pandoc.Attr()
  for _, body in ipairs(t.bodies) do
    body.attr = pandoc.Attr()
    bare_rows(body.head)
    bare_rows(body.body)
  end
  return t
end

local function bare_image(i)
  local width = i.attributes.width
  i.attr = pandoc.Attr("", {}, width and { width = width } or {})
  return i
end

local BARE = {
  Table = bare_table, Image = bare_image, Link = bare, Code = bare, CodeBlock = bare, Header = bare, Figure = bare,
  RawBlock = function() return {} end, RawInline = function() return {} end,
  Div = function(d) return d.content end, Span = function(s) return s.content end,
}

-- Pair up opening and closing tags; a tag that has no partner is dropped.
local function pair_tags(inlines)
  local out, i = pandoc.Inlines {}, 1
  while i <= #inlines do
    local el = inlines[i]
    local name, closing = tag_of(el)
    if not name then
      if not (el.t == "RawInline" and el.format:match("^html")) then out:insert(el) end
    elseif DROPPED[name] and not closing then
      repeat i = i + 1 until i >= #inlines or tag_of(inlines[i]) == name
    elseif name == "br" then out:insert(pandoc.LineBreak())
    elseif name == "img" then
      for _, b in ipairs(pandoc.read(el.text, "html", nil, {}).blocks) do
        if b.content then out:extend(b.content:filter(function(x) return x.t == "Image" end):map(bare_image)) end
      end
    elseif PAIRS[name] and not closing then
      local depth, j = 1, i
      while depth > 0 and j < #inlines do
        j = j + 1
        local n, c = tag_of(inlines[j])
        if n == name then depth = depth + (c and -1 or 1) end
      end
      if depth == 0 then
        local inner = pandoc.Inlines {}
        for k = i + 1, j - 1 do inner:insert(inlines[k]) end
        out:insert(PAIRS[name](pair_tags(inner)))
        i = j
      end
    end
    i = i + 1
  end
  return out
end

local function read_raw_blocks(blocks)
  local out, changed = pandoc.Blocks {}, false
  for _, b in ipairs(blocks) do
    if b.t == "RawBlock" and b.format:match("^html") then
      changed = true
      out:extend(M.read(b.text, "html").blocks)
    else out:insert(b) end
  end
  if changed then return out end
end

-- Text -> document, with raw HTML understood where it can be and dropped where it cannot.
function M.read(text, format)
  -- the last argument gives the reader no files at all: nothing can be included
  local doc = pandoc.read(text, format, nil, {})
  if format == "asciidoc" then return doc end
  if format == "html" then return doc:walk(BARE) end
  return doc:walk { Blocks = read_raw_blocks }:walk { Inlines = pair_tags }
end

return M
