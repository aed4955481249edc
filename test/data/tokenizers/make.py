"""Small tokenizers and what Python's `tokenizers` (0.23) makes of odd texts, as fixtures for test/train/tokenizers.test.ts.

    python make.py            writes *.json here

Every tokenizer is trained on text made below. `texts.json` holds the texts ([unit, times] for long ones) and the pairs;
`KIND.json` the tokenizer; `KIND.ids.json` its ids: one text, pairs with their token types, and both cut to a length
(`longest_first`). Long rows are given as their length and the start of a SHA-256 of the ids joined by commas.
"""

import base64
import hashlib
import json
import random
import struct
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
RNG = random.Random(7)

# ---------------------------------------------------------------------------------------------- text

WORDS = """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
which one you were all her she there would their we him been has when who will no more if out so said what up its about
into than them can only other new some could time these two may then do first any my now such like our over man me even
most made after also did many before must through years where much your way well down should because each just those
people how too little state good very make world still own see men work long here both life being under never day same
another know while last might us great old year off come since against go came right used take three walked walking
unhappiness kindness rewrite adapters layers gradient tokenizer café naïve résumé Ångström Zürich façade coöperate""".split()
PUNCT = [".", ",", "!", "?", ";", ":", "'s", "n't", "...", "-"]
OTHER = ["Привет, мир", "你好世界", "こんにちは", "안녕하세요", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดี", "😀 👍🏽", "3.14", "2024", "x = y + 1;"]


def sentence():
    words = [RNG.choice(WORDS) for _ in range(RNG.randint(4, 14))]
    words[0] = words[0].capitalize()
    if RNG.random() < 0.3:
        words.insert(RNG.randrange(len(words)), RNG.choice(OTHER))
    return " ".join(words) + RNG.choice(PUNCT[:5])


CORPUS = [sentence() for _ in range(600)]

TEXTS = [
    "", " ", "   ", "a", "The quick brown fox jumps over the lazy dog.", "  leading and trailing  ", "tabs\tand\nnew\r\nlines\n\n",
    "Hello, world! It's a day we'll never forget; they'd've said so.", "UPPER lower MiXeD CamelCase snake_case kebab-case",
    "café naïve résumé Ångström Zürich", "cafe\u0301 nai\u0308ve A\u030angstro\u0308m", "ﬁnd the ﬂow — “quoted” ‘text’ … №5",
    "ＦＵＬＬ　ｗｉｄｔｈ １２３", "ｶﾞｷﾞｸﾞ half width ｱｲｳ", "½ ¼ x² ₂ ① ㌔ ℡ ™", "ΌΔΟΣ ΟΔΟΣ. Σ ς σ", "İstanbul Iı ŞĞ ß ẞ ǅ",
    "你好世界,今天天气很好。", "漢字かな交じり文とカタカナ", "안녕하세요 세계 한글", "한글 각", "𠀀𠮷𫝀 rare ideographs 豈",
    "مرحبا بالعالم، كيف حالك؟", "שָׁלוֹם עוֹלָם", "नमस्ते दुनिया क्षत्रिय", "สวัสดีชาวโลก น้ำ", "Привет, мир! Ёлка й",
    "😀😃 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 ❤️ 1️⃣", "🇩🇪🇫🇷 flags", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘", "a\u0300\u0301\u0302\u0303b",
    "zero\u200bwidth\u200djoin\u200cer \ufeffbom soft\u00adhyphen", "ctrl \x01\x02\x07\x1b[31m\x7f\x85\x9f end", "null\x00char", "nbsp\u00a0thin\u2009ideo\u3000line\u2028para\u2029",
    "\ufffd replacement \ufffe \U0010ffff private \ue000", "▁under ▁score _ ▁▁ two", "<s> </s> [CLS] [SEP] [MASK] [UNK] <unk> <pad>",
    "say <mask> now,<mask>!  <mask>  end", "x<mask>y<mask>", "new tok TOK Tok xtok tok. tok", "lower CASED cased uncased caséd",
    "1234567890 12,345.67 -1e10 0xFF 3.14159", "٠١٢٣ १२३ ⅣⅫ ²³", "http://example.com/a/b?c=d&e=f#g user@mail.org", "/usr/local/bin C:\\dir\\file.txt",
    "def f(x):\n    return x ** 2  # comment\n\tif x:\n", "{\"json\": [1, 2.5, null], \"k\": \"v\"}", "<html><b>bold</b>&amp;</html>", "$100 €5 £3 ¥9 + - = < > ^ ` ~ |",
    "unknownwordzzz qqqq xjz wvk", "...---!!!???,,,;;;", "''\"\"``´´ '' it''s", "a  b   c    d     e", "\n\n\n", "ends with space ",
    "¿Qué tal? ¡Bien! – — ― ‐", "ộ ệ ữ Việt Nam đường", "ʰʷ ɐɑɒ ŋ θ ð", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 ℌ",
    ["the unhappiness of rewriting 你好 😀 café, ", 480], ["abcdefghij", 2000], ["ab", 75], ["你好", 1500],
]
PAIRS = [
    ("The quick brown fox", "jumps over the lazy dog"), ("one", "two"), ("first text", ""), ("", "second text"), ("", ""),
    ("a b c d e f g h i j k l m n o p", "short"), ("short", "a b c d e f g h i j k l m n o p"),
    ("we were there when they said so", "and she would have been here too."), ("café 你好", "😀 <mask> tok"), (" lead", " lead too "),
    ("a b c d </s> new f g tok h <s> j k", "i </s> j <mask> l m n <|endoftext|> p q r"), ("one two tok three new four </s> five", "<mask> a [SEP] <s> b c d e f"),
]
CUTS = [4, 5, 6, 7, 8, 9, 10, 11, 13, 16]


def whole(text):
    return text if isinstance(text, str) else text[0] * text[1]


# ------------------------------------------------------------------------------------------ charsmap


def darts(keys):
    """A double array in the layout of darts-clone: {bytes: value} to 32-bit units."""
    trie = {}
    for key, value in keys.items():
        node = trie
        for byte in key:
            node = node.setdefault(byte, {})
        node[0] = value  # a zero byte marks a leaf
    units, taken, used = {0: 0}, {0}, set()

    def place(node, at):
        labels = sorted(node)
        base = 1
        while base in used or any((base ^ label) in taken for label in labels) or (base ^ at) >= 1 << 21:
            base += 1
        used.add(base)
        for label in labels:
            taken.add(base ^ label)
        units[at] |= (at ^ base) << 10 | (256 if 0 in node else 0)
        for label in labels:
            units[base ^ label] = label if label else node[0] | 1 << 31
        for label in labels:
            if label:
                place(node[label], base ^ label)

    place(trie, 0)
    size = (max(units) | 255) + 1
    return [units.get(i, 0) for i in range(size)]


def charsmap():
    """Some rows of what nmt_nfkc does: control characters away, white space to a space, NFKC of one and two characters."""
    rows = {}
    for code in [*range(1, 9), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F]:
        rows[chr(code)] = ""
    for code in [9, 10, 12, 13, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD, 0xA0, 0x3000, 0x2009]:
        rows[chr(code)] = " "
    wide = [chr(c) for c in [*range(0xFF01, 0xFF5F), *range(0xFF66, 0xFFA0), *range(0xBC, 0xBF), 0xB2, 0xB3, 0x2460, 0x3314, 0x2121, 0x2122, 0xFB01, 0xFB02, 0x2026, 0x2116, 0x210C, 0x1D518, 0x1D7D9]]
    for char in wide:
        rows[char] = unicodedata.normalize("NFKC", char)
    for base in "aeiouAEIOUnNoO":
        for mark in "\u0300\u0301\u0302\u0303\u0308\u030a":
            made = unicodedata.normalize("NFKC", base + mark)
            if len(made) == 1:
                rows[base + mark] = made
    for base in "ｶｷｸ":
        rows[base + "ﾞ"] = unicodedata.normalize("NFKC", base + "ﾞ")
    texts, keys = b"", {}
    for key, value in sorted(rows.items(), key=lambda row: row[0].encode()):
        keys[key.encode()] = len(texts)
        texts += value.encode() + b"\0"
    units = darts(keys)
    return struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + texts


CHARSMAP = charsmap()

# -------------------------------------------------------------------------------------------- kinds

GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = pre_tokenizers.ByteLevel.alphabet()


def bpe(tokenizer, size=480, special=("<|endoftext|>",), alphabet=BYTES, **more):
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False, **more))
    return tokenizer


def template(single, pair, names, tokenizer):
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(n, tokenizer.token_to_id(n)) for n in names])


BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert_uncased():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=BERT, show_progress=False))
    t.post_processor = template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ["[CLS]", "[SEP]"], t)
    return t


def bert_cased():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    t.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=420, special_tokens=BERT, show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def wordlevel():
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator(CORPUS, trainers.WordLevelTrainer(vocab_size=300, special_tokens=["[PAD]", "[UNK]", "<s>", "</s>"], show_progress=False))
    t.add_tokens([AddedToken("tok", single_word=True, normalized=True), AddedToken("CASED", normalized=True), AddedToken("new", lstrip=True, rstrip=True, normalized=False)])
    t.post_processor = template("<s> $A </s>", "<s> $A </s> <s>:1 $B:2 </s>:2", ["<s>", "</s>"], t)
    return t


def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return bpe(t)


def roberta():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe(t, special=["<s>", "<pad>", "</s>", "<unk>"])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    return t


def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    bpe(t, special=["<|begin_of_text|>"])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|begin_of_text|> $A", "<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", ["<|begin_of_text|>"], t)])
    return t


BYTE_TOKENS = [f"<0x{b:02X}>" for b in range(256)]
LLAMA = ["<unk>", "<s>", "</s>", *BYTE_TOKENS]


def without_byte_tokens(t):
    """Byte tokens belong to the vocabulary, and are not looked for in the text."""
    made = json.loads(t.to_str())
    made["added_tokens"] = [row for row in made["added_tokens"] if row["content"] not in BYTE_TOKENS]
    return Tokenizer.from_str(json.dumps(made))


def llama2():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # for training only
    bpe(t, 560, LLAMA, [], limit_alphabet=60)
    t.pre_tokenizer = None
    t = without_byte_tokens(t)
    t.post_processor = template("<s> $A", "<s> $A <s>:1 $B:1", ["<s>"], t)
    return t


def metaspace_first():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    bpe(t, 560, LLAMA, [], limit_alphabet=60)
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.add_special_tokens([AddedToken("<mask>", rstrip=True)])
    t = without_byte_tokens(t)
    t.post_processor = template("<s> $A </s>", "<s> $A </s> $B </s>", ["<s>", "</s>"], t)
    return t


def unigram(t, size, special, unk="<unk>", **more):
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token=unk, show_progress=False, **more))
    return t


def t5():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Precompiled(CHARSMAP)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    unigram(t, 300, ["<pad>", "</s>", "<unk>"])
    t.post_processor = template("$A </s>", "$A </s> $B </s>", ["</s>"], t)
    return t


def xlmr():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(CHARSMAP), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    unigram(t, 320, ["<s>", "<pad>", "</s>", "<unk>"])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = template("<s> $A </s>", "<s> $A </s> </s> $B </s>", ["<s>", "</s>"], t)
    return t


def albert():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Precompiled(CHARSMAP)])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    unigram(t, 260, ["<pad>", "<unk>", *BERT[2:]])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, normalized=True)])
    t.post_processor = template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ["[CLS]", "[SEP]"], t)
    return t


def unigram_bytes():
    """One piece per text (no pre-tokenizer), with byte fallback."""
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(" ", "▁")])
    t.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    unigram(t, 300, ["<unk>", "</s>"])
    model = json.loads(t.to_str())
    model["model"]["vocab"] += [[name, -30.0] for name in BYTE_TOKENS]
    model["model"]["byte_fallback"] = True
    model["pre_tokenizer"] = None
    return Tokenizer.from_str(json.dumps(model))


def clip():
    t = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    bpe(t, 900, ["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>")
    t.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), add_prefix_space=False, trim_offsets=False)
    return t


def chars():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    t.train_from_iterator(CORPUS, trainers.WordLevelTrainer(vocab_size=90, special_tokens=["<pad>", "<unk>"], show_progress=False))
    return t


def qwen():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex("[\r\n]"), "isolated"), pre_tokenizers.Split(Regex(r"\s?\p{L}+"), "isolated"), pre_tokenizers.Split(Regex(r"\s?\p{P}+"), "isolated"),
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    return bpe(t, 520)


def prefixed():
    t = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(left=False, right=True)])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(False)])
    bpe(t, 400, ["[UNK]", "[PAD]"], [], limit_alphabet=50, continuing_subword_prefix="##")
    t.add_tokens([AddedToken("tok", single_word=True, rstrip=True, normalized=False), AddedToken("résumé", normalized=True)])
    t.enable_padding(pad_id=1, pad_token="[PAD]")
    t.enable_truncation(64, direction="left")
    t.post_processor = processors.Sequence([processors.ByteLevel()])
    return t


def fixed():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=""))
    t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\d+|[,;]"), "merged_with_previous"), pre_tokenizers.Split(" ", "contiguous"), pre_tokenizers.FixedLength(7)])
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]"], continuing_subword_prefix="", show_progress=False))
    return t


KINDS = [bert_uncased, bert_cased, wordlevel, gpt2, roberta, llama3, llama2, metaspace_first, t5, xlmr, albert, unigram_bytes, clip, chars, qwen, prefixed, fixed]


def row(ids):
    if len(ids) <= 120:
        return ids
    return [len(ids), hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:16]]


def lean(made):
    """Without decoders, and merges as lists on one line."""
    made["decoder"] = None
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))


def main():
    (HERE / "texts.json").write_text(json.dumps({"texts": TEXTS, "pairs": PAIRS, "cuts": CUTS}, ensure_ascii=False))
    for kind in KINDS:
        text = lean(json.loads(kind().to_str()))
        (HERE / f"{kind.__name__}.json").write_text(text)
        direction = (json.loads(text).get("truncation") or {}).get("direction", "Right").lower()
        t = Tokenizer.from_str(text)
        t.no_truncation()
        t.no_padding()
        wanted = {"single": [row(t.encode(whole(x)).ids) for x in TEXTS], "pairs": [], "cut": []}
        wanted["plain"] = [row(t.encode(whole(x), add_special_tokens=False).ids) for x in TEXTS[:3]]
        for a, b in PAIRS:
            e = t.encode(a, b)
            wanted["pairs"].append([e.ids, e.type_ids])
        for length in CUTS:
            t.enable_truncation(length, direction=direction)
            wanted["cut"].append([t.encode(whole(TEXTS[4])).ids, *([e.ids, e.type_ids] for e in (t.encode(a, b) for a, b in PAIRS))])
        (HERE / f"{kind.__name__}.ids.json").write_text(json.dumps(wanted, separators=(",", ":")))


main()
