"""List the words for chapters, parts and prefaces, and the numbers beside them, by language.

A row holds the words for a chapter, for a part, for what has a name instead of a number, and the numbers from
one on as stems: a few letters may follow, so that one row covers cardinals, ordinals and cases.
Words are written as `heading_words.fold` returns them: in small letters, without accents.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """The words of one language, separated by blanks; alternative stems of a number by a slash."""

    chapter: str
    part: str
    named: str
    numbers: str


LANGUAGES = {
    "en": Words(
        "chapter letter stave canto lecture adventure section act",
        "part book volume",
        "preface foreword introduction prologue epilogue afterword conclusion appendix postscript",
        "",  # see `spelled`
    ),
    "de": Words(
        "kapitel aufzug akt brief gesang vorlesung",
        "teil buch band",
        "vorwort einleitung nachwort prolog epilog anhang vorrede einfuhrung schluss schlusswort geleitwort",
        "eins/erst zwei/zwot dritt/drei viert/vier funf sechs sieb acht neun zehn elf zwolf dreizehn "
        "vierzehn "
        "funfzehn sechzehn siebzehn achtzehn neunzehn zwanzig",
    ),
    "fr": Words(
        "chapitre acte lettre",
        "partie livre tome",
        "preface avant-propos introduction prologue epilogue postface conclusion annexe",
        "un/premi deux/second trois quatr cinq six sept huit neuf/neuv dix onz douz treiz quatorz quinz seiz "
        "dix-sept dix-huit dix-neuf vingt",
    ),
    "es": Words(
        "capitulo acto jornada carta",
        "parte libro tomo",
        "introduccion prologo epilogo prefacio conclusion apendice",
        "un/primer/primo dos/segund tres/tercer cuatr/cuart cinc/quint seis/sext siet/septim/setim och/octav "
        "nuev/noven diez/decim once/undecim doce/duodecim trece catorce quince dieciseis diecisiete "
        "dieciocho "
        "diecinueve veint/vigesim",
    ),
    "pt": Words(
        "capitulo acto ato carta",
        "parte livro tomo volume",
        "introducao prologo epilogo prefacio conclusao posfacio apendice",
        "um/primeir dois/duas/segund tres/terceir quatr/quart cinc/quint seis/sext sete/setim oito/oitav "
        "nove/non dez/decim onze doze treze catorze quinze dezasseis/dezesseis dezassete/dezessete dezoito "
        "dezanove/dezenove vinte/vigesim",
    ),
    "it": Words(
        "capitolo atto canto lettera novella",
        "parte libro volume tomo",
        "prefazione introduzione prologo epilogo conclusione appendice premessa postfazione",
        "un/prim due/second tre/terz quattr/quart cinqu/quint sei/sest sett/settim ott/ottav nov/non "
        "diec/decim "
        "undic dodic tredic quattordic quindic sedic diciassett diciott diciannov vent",
    ),
    "ca": Words(
        "capitol acte",
        "part llibre",
        "proleg epileg introduccio",
        "u/primer dos/segon tres/tercer quatr/quart cinc/cinqu",
    ),
    "ro": Words(
        "capitolul capitol actul",
        "partea cartea volumul",
        "prefata introducere prolog epilog postfata",
        "unu/intai/prim doi/doua trei patru cinci sase sapte opt noua zece unsprezece doisprezece",
    ),
    "nl": Words(
        "hoofdstuk bedrijf brief",
        "deel boek",
        "voorwoord inleiding proloog epiloog nawoord",
        "een/eerst twee/tweed drie/derd vier vijf zes zeven acht negen tien elf twaalf dertien "
        "veertien vijftien "
        "zestien zeventien achttien negentien twintig",
    ),
    "sv": Words(
        "kapitel kapitlet akt akten",
        "del delen bok boken",
        "forord inledning prolog epilog efterord",
        "ett/en/forst tva/andra tre/tredj fyr/fjard fem/femt sex/sjatt sju/sjund atta/atton nio/nion "
        "tio/tion elva/elft "
        "tolv/tolft tretton fjorton femton sexton sjutton arton nitton tjug",
    ),
    "da": Words(
        "kapitel kapittel kapitlet akt handling",
        "del bok bog",
        "forord indledning innledning prolog epilog efterord etterord",
        "en/et/første/forste to/anden/annen/andet/annet tre/tredj fire/fjerd fem/femt seks/sjett "
        "syv/sju otte/åtte/atte ni/niend "
        "ti/tiend elleve/ellevt tolv/tolvt tretten fjorten femten seksten sytten/sytten atten nitten "
        "tyve/tjue",
    ),
    "is": Words(
        "kafli kapituli",
        "hluti bok",
        "formali inngangur eftirmali",
        "fyrst/einn annar/tveir þridj/þrir fjord/fjor fimm sjott/sex sjound/sjo attund/atta niund/niu "
        "tiund/tiu",
    ),
    "fi": Words(
        "luku naytos kappale",
        "osa kirja",
        "esipuhe johdanto prologi epilogi jalkisanat",
        "yksi/ensimmai kaksi/toinen/toise kolm nelj viis/viide kuusi/kuude seitsem kahdeksa yhdeksa kymmen "
        "yksitoista/yhdestoista kaksitoista/kahdestoista kolmetoista/kolmastoista neljatoista/neljastoista "
        "viisitoista/viidestoista",
    ),
    "et": Words(
        "peatukk",
        "osa raamat",
        "eessona sissejuhatus proloog epiloog jarelsona",
        "uks/esime kaks/tei kolm nelja viis/viie kuu seits/seitsm kahek/kaheks uheks kumme/kumne",
    ),
    "hu": Words(
        "fejezet felvonas",
        "resz konyv kotet",
        "eloszo bevezetes prologus epilogus utoszo",
        "egy/elso ket/masodik harom/harmadik negy/negyedik ot/otodik hat/hatodik het/hetedik nyolc "
        "kilenc tiz/tized "
        "tizenegy tizenket/tizenket tizenharom/tizenharm tizennegy tizenot tizenhat tizenhet "
        "tizennyolc tizenkilenc husz",
    ),
    "pl": Words(
        "rozdzial akt list piesn",
        "czesc ksiega tom",
        "przedmowa wstep prolog epilog poslowie zakonczenie wprowadzenie",
        "jeden/pierwsz dwa/drug trzy/trzec czter/czwart piec/piat szesc/szost siedem/siodm osiem/osm "
        "dziewiec/dziewiat "
        "dziesiec/dziesiat jedenast/jedenas dwunast/dwanas trzynast/trzynas czternast/czternas "
        "pietnast/pietnas "
        "szesnast/szesnas siedemnast/siedemnas osiemnast/osiemnas dziewietnast/dziewietnas "
        "dwudziest/dwadzies",
    ),
    "cs": Words(
        "kapitola dejstvi jednani list dopis",
        "cast kniha dil diel svazek",
        "predmluva predslov uvod prolog epilog doslov zaver",
        "jed/prvni/prv dva/dve/druh tri/tret/treti ctvrt/ctyr/stvrt/styr pet/pat sest/siest "
        "sedm/siedm/sedem osm/osem/osmy "
        "devet/devat deset/desat jedenact/jedenast dvanact/dvanast trinact/trinast ctrnact/strnast "
        "patnact/patnast "
        "sestnact/sestnast sedmnact/sedemnast osmnact/osemnast devatenact/devatnast dvacet/dvacat/dvadsat",
    ),
    "hr": Words(
        "poglavlje glava poglavje",
        "dio deo knjiga del",
        "predgovor uvod prolog epilog pogovor",
        "jedan/prv/ena dva/drug tri/trec/tretj cetir/cetvrt/stiri/cetrt pet sest sedam/sedm osam/osm "
        "devet deset jedanaest dvanaest trinaest cetrnaest petnaest",
    ),
    "lt": Words(
        "skyrius",
        "dalis knyga",
        "ivadas pratarme prologas epilogas",
        "vien/pirm du/antr tri/trec ketur/ketvirt penk ses/sest septyn/septint aston/astunt "
        "devyn/devint desimt",
    ),
    "lv": Words(
        "nodala",
        "dala gramata",
        "priekšvards ievads prologs epilogs",
        "vien/pirm div/otr tris/tres cetr/ceturt piec/piekt ses/sest septin/septit aston/astot "
        "devin/devit desmit",
    ),
    "ru": Words(
        "глава действие письмо песнь лекция рассказ",
        "часть книга том",
        "предисловие введение пролог эпилог послесловие заключение приложение вступление",
        "од/перв дв/втор тр/трет чет/четверт пят шест сем/седьм вос/восьм девят десят одиннадцат "
        "двенадцат тринадцат "
        "четырнадцат пятнадцат шестнадцат семнадцат восемнадцат девятнадцат двадцат",
    ),
    "uk": Words(
        "розділ роздiл глава раздзел дія",
        "частина книга том частка",
        "передмова вступ пролог епілог післямова прадмова",
        "од/перш дв/друг тр/трет чотир/четверт п'ят/п’ят шіст/шост сім/сьом віс/восьм дев'ят/дев’ят "
        "десят одинадцят дванадцят "
        "тринадцят чотирнадцят п'ятнадцят/п’ятнадцят шістнадцят сімнадцят вісімнадцят дев'ятнадцят двадцят",
    ),
    "bg": Words(
        "глава поглавље",
        "част део книга књига",
        "предговор увод пролог епилог послеслов поговор",
        "ед/първ/прв дв/втор/друг тр/трет/трећ чет/четвърт/четврт пет шест сед/сед осм/осем/осам "
        "дев/девет дес/десет единадес/једанаест дванадес/дванаест",
    ),
    "el": Words(
        "κεφαλαιο κεφαλαιον πραξη ραψωδια επιστολη",
        "μερος βιβλιο τομος",
        "προλογος εισαγωγη επιλογος παραρτημα",
        "ενα/πρωτ δυο/δευτερ τρι/τριτ τεσσερ/τεταρτ πεντ/πεμπτ εξι/εκτ επτα/εφτα/εβδομ οκτω/οχτω/ογδο "
        "εννια/εννεα/ενατ δεκα/δεκατ "
        "εντεκα/ενδεκατ δωδεκα/δωδεκατ",
    ),
    "tr": Words(
        "bolum bolumu perde fasil",
        "kisim kitap cilt",
        "onsoz giris sonsoz sonuc",
        "bir/birinc iki/ikinc uc/ucunc dort/dordunc bes/besinc alti/altinc yedi/yedinc sekiz/sekizinc "
        "dokuz/dokuzunc on/onunc",
    ),
    "he": Words(
        "פרק מערכה מכתב",
        "חלק ספר כרך שער",
        "הקדמה מבוא פתיחה אחרית אפילוג פרולוג",
        "אחד/ראשו שני/שתי/שניה שלוש/שליש ארבע/רביע חמש/חמיש שש/שיש שבע/שביע שמונה/שמינ תשע/תשיע עשר/עשיר",
    ),
    "ar": Words(
        "الفصل فصل الباب باب الفقرة المشهد",
        "الجزء جزء القسم قسم الكتاب المجلد",
        "مقدمة المقدمة تمهيد تقديم خاتمة الخاتمة ملحق توطئة",
        "الاول/الاولى/اول/واحد الثان/ثان/اثن/الثانية الثالث/ثالث/ثلاث الرابع/رابع/اربع الخامس/خامس/خمس "
        "السادس/سادس/ست السابع/سابع/سبع الثامن/ثامن/ثمان التاسع/تاسع/تسع العاشر/عاشر/عشر "
        "الحادي/احد x x x x x x x x العشر/عشرون",
    ),
    "fa": Words(
        "فصل باب پرده",
        "بخش کتاب جلد",
        "مقدمه پیشگفتار دیباچه پایان",
        "اول/یک/نخست دوم/دو سوم/سه چهار پنج شش هفت هشت نه ده یازده دوازده",
    ),
    "hi": Words(
        "अधयाय परकरण परिचछेद",
        "भाग खणड",
        "परसतावना भमिका",
        "पहल/एक/परथम दसर/दो/दवितीय तीसर/तीन/ततीय चौथ/चार/चतरथ पाचव/पाच/पचम छठ/छह सातव/सात आठव/आठ "
        "नौव/नौ दसव/दस",
    ),
    "id": Words(
        "bab",
        "bagian buku jilid",
        "prakata pendahuluan prolog epilog penutup",
        "satu/pertama dua/kedua tiga/ketiga empat/keempat lima/kelima enam/keenam tujuh/ketujuh "
        "delapan/kedelapan sembilan/kesembilan sepuluh/kesepuluh",
    ),
    "vi": Words("chuong hoi", "phan quyen tap", "", "mot/nhat hai/nhi ba bon/tu nam sau bay tam chin muoi"),
    "eo": Words(
        "capitro ĉapitro capitro",
        "parto libro",
        "antauparolo enkonduko prologo epilogo",
        "unu du tri kvar kvin ses sep ok nau dek",
    ),
    "la": Words(
        "caput",
        "pars liber",
        "praefatio prologus epilogus prooemium",
        "unus/prim duo/secund tres/terti quatuor/quart quinque/quint sex/sext septem/septim "
        "octo/octav novem/non decem/decim",
    ),
    "cy": Words(
        "pennod",
        "rhan llyfr",
        "rhagair cyflwyniad",
        "un/cyntaf dau/ail tri/trydydd pedwar pump/pumed chwech saith wyth naw deg",
    ),
}
"""By ISO 639 code; Danish stands for Norwegian, Czech for Slovak, Croatian for its neighbours."""
