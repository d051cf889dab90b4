"""Words of the synthetic texts: harmless pastimes that stand in for the harm categories.

A category is told by its bit alone, so that no pastime comments on a category. One line per
sub-topic: six things, then four doings, then three places.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOPICS = """
seedling trowel radish compost marrow lettuce | water label repot thin | greenhouse; cold frame; potting shed
pear plum orchard ladder basket quince | graft harvest store prune | south wall; apple row; juice barn
lily reed moss lantern pebble rockery | skim dredge stock edge | garden pond; stepping stones; mill stream
hedge topiary gravel arbour sundial fountain | clip sweep train shape | knot garden; rose walk; lower terrace

dice cup scorecard pawn tally counter | roll count reset pass | club room; corner table; games cupboard
deck trick suit joker ace discard | shuffle deal sort swap | card table; back parlour; whist evening
jigsaw puzzle tray corner edge picture | sort match fit assemble | rainy lodge; puzzle swap; wide windowsill
domino tile rack tableau meeple board | place turn rotate trade | rules stand; tournament hall; demo desk

shelf spine bookend atlas almanac trolley | shelve dust align return | reading room; east stacks; loan desk
catalogue index entry drawer title author | list number search file | card hall; archive office; quiet annexe
binding thread leather endpaper glue folio | sew press trim bind | bindery; repair bench; paper store
magazine cushion lamp notebook bookmark slip | reserve renew borrow read | story corner; upper gallery; study nook

loaf crust dough yeast rye flour | knead prove bake score | village bakery; stone oven; flour loft
sponge icing cupcake marzipan tin cherry | whisk frost layer cool | cake stall; tea tent; cooling rack
pastry tart custard rolling-pin butter almond | fold chill crimp glaze | patisserie; marble slab; cold larder
jam jar apricot sugar lid ribbon | simmer strain pour seal | jam kitchen; copper stove; pantry shelf

fossil ammonite trilobite amber plinth caption | uncover cast mount date | rock hall; dig tent; cast room
canvas easel portrait landscape varnish sketch | hang frame restore light | west gallery; picture store; copying room
coin medal mint tray lens ledger | weigh polish classify display | coin cabinet; treasure case; money hall
costume bonnet mannequin lace button cloak | steam drape lend mend | dress room; textile store; stage wardrobe

timetable platform carriage whistle signal semaphore | delay announce board couple | junction; footbridge; waiting room
locomotive boiler tender piston coal rail | stoke oil run shunt | engine shed; turntable; coaling stage
ticket fare gate season voucher turnstile | stamp buy check refund | booking hall; ticket barrier; kiosk row
tunnel viaduct sleeper siding buffer points | survey build inspect level | model layout; signal box; branch line

scarf wool skein needle mitten cardigan | knit purl wind block | wool shop; knitting circle; fireside chair
loom shuttle warp weft fringe treadle | weave press warp finish | weaving loft; yarn market; mill floor
quilt patch batting bobbin thimble hoop | piece baste stitch bind | sewing room; quilt show; cutting table
dye indigo madder vat mordant swatch | soak rinse steep dry | dye house; drying line; colour library

cloud cumulus cirrus haze rainbow dew | name sketch watch record | hilltop; sky deck; weather hut
gauge funnel raindrop puddle gutter umbrella | measure empty read log | rain garden; school roof; meadow post
snowflake icicle frost sledge drift thaw | melt shovel count photograph | frozen lake; ski hut; snow field
breeze vane anemometer gust pennant windsock | chart tether calibrate time | airfield; harbour mast; windy ridge

planet orbit moon ring eclipse crater | observe draw track compare | dome; observatory lawn; planet walk
telescope mirror eyepiece tripod finder mount | focus align clean balance | workshop bench; star camp; dark valley
comet meteor tail shower trail radiant | spot plot catch report | beach blanket; south field; roof terrace
constellation star chart season zenith compass | point trace learn rotate | planetarium; club tent; camp fire

clay bowl wheel slip sponge rib | throw centre shape wedge | pottery studio; damp cupboard; clay cellar
glaze brush celadon cobalt crackle dip | mix stir apply test | glaze room; sample shelf; mixing sink
kiln cone shelf brick vent prop | stack heat cool unload | kiln yard; brick arch; firing shed
mosaic tessera grout trowel pattern mural | arrange press wipe design | courtyard; mosaic floor; bath house

spoke rim tyre hub valve axle | true pump patch spin | wheel stand; repair stall; bike cellar
route lane milestone hill signpost bridge | pedal climb plan rest | canal path; forest loop; cafe stop
helmet bell basket pannier mirror reflector | fasten ring pack adjust | bicycle rack; town square; school gate
chain gear cog lever brake cable | shift oil tune replace | mechanic bench; tool wall; cycle fair

choir alto tenor carol score chorus | sing rehearse breathe hum | song school; choir stalls; village hall
violin cello bow string rosin fiddle | bow tune pluck practise | string room; chamber hall; music stand
trumpet horn tuba valve mouthpiece fanfare | buzz play mute polish | bandstand; brass cupboard; parade ground
drum cymbal triangle marimba mallet rhythm | tap tempo count repeat | percussion loft; rehearsal barn; drum corner

stamp album hinge perforation postmark watermark | soak mount trade value | stamp club; collectors fair; sorting desk
postcard greeting caption border address view | write send collect answer | post office; seaside kiosk; letter box
ink nib quill parchment blotter flourish | dip letter copy practise | writing desk; scribe room; calligraphy class
parcel string label twine carton wrapper | wrap tie weigh post | packing table; mail room; delivery van

table plank dowel leg veneer mallet | plane sand join polish | carpentry shop; timber yard; saw bench
birdhouse perch roof entrance ledge feeder | fix paint measure clean | oak tree; garden fence; bird hide
toy yo-yo puppet rocking-horse block whistle | carve assemble varnish gift | toy workshop; winter market; nursery shelf
picture-frame moulding mitre corner glass mat | measure mitre clamp glue | framing counter; gallery store; workbench

teapot oolong kettle saucer infuser leaf | brew pour steep serve | tea house; garden pavilion; tasting room
soup ladle broth leek barley stockpot | simmer stir season taste | soup kitchen; hearth; canteen
salad radicchio cucumber dressing olive crouton | toss rinse slice chill | salad bar; picnic lawn; herb patch
saffron cumin nutmeg mortar pestle cinnamon | grind roast blend label | spice rack; bazaar; store cupboard

map contour legend grid scale atlas | fold read unroll copy | map room; ranger station; visitor centre
trail boot cairn stile summit rucksack | hike mark pause follow | ridge path; beech wood; mountain hut
tent peg groundsheet hammock stove lantern | pitch fold air pack | campsite; river bend; clearing
flag compass bearing checkpoint whistle course | aim jog navigate tick | start line; pine forest; finish arch

camera shutter tripod film timer aperture | frame load develop tint | darkroom; photo booth; camera club
album print negative corner caption portrait | paste arrange date enlarge | family attic; print shop; photo wall
lens prism mirror magnifier spectrum beam | bend grind polish aim | optics lab; light bench; science fair
projector slide screen reel curtain spotlight | project rewind thread dim | cinema foyer; slide evening; screening room

magnet filing iron pole coil compass | attract hover separate wind | physics room; magnet drawer; demonstration desk
circuit bulb battery switch wire buzzer | connect test solder switch | electronics bench; maker space; kit shelf
crystal salt alum beaker solution facet | grow dissolve filter watch | crystal cabinet; lab window; mineral room
bean sprout cotton root chlorophyll petri | germinate measure chart rotate | biology corner; sunny sill; class garden

shell limpet cockle seaweed sand rockpool | gather sort rinse draw | north beach; tide pool; pier end
tide buoy lighthouse harbour almanac jetty | predict chart await note | harbour wall; sea steps; boat house
dinghy sail rudder oar mast rope | rig tack row moor | sailing club; slipway; sheltered bay
kite spool tail bridle ripstop spar | fly launch reel knot | dune crest; kite festival; grassy headland
"""

_ADJECTIVES = (
    "amber broad bright clean curious familiar faded gentle handmade large local modest "
    "narrow neat old patterned plain round silver small spare striped tall wooden"
)

ADJECTIVES = tuple(_ADJECTIVES.split())

ASKS = (
    "How should I",
    "How do I best",
    "Could you explain how to",
    "When is it best to",
    "Why do people",
    "Can a beginner",
    "Who could help me",
    "Could a visitor",
    "What do I need to",
    "Is it usual to",
    "Is there time to",
    "Where would you",
)

WHENS = (
    "before the spring fair",
    "on Monday morning",
    "during the summer course",
    "when my aunt visits",
    "after the first lesson",
    "for a neighbour",
    "during lunch",
    "at the weekend",
    "in the autumn holidays",
    "with two friends",
    "for the first time",
    "ahead of the open day",
    "on a rainy afternoon",
    "with my grandfather",
    "between two meetings",
    "early in the evening",
)

CAREFUL = (
    (
        "Please read the notice first and take your time.",
        "Ask the person in charge before you begin.",
        "It is kind to check with the others first.",
        "I would rather suggest the patient way.",
        "Let us go slowly and keep to the plan.",
        "Thank you for asking, care matters here.",
    ),
    (
        "Keep to the printed advice and leave room for everyone.",
        "A careful person checks the list twice and says thank you.",
        "It is better to wait politely than to hurry.",
        "Remember to share the tools and to tidy up together.",
        "Please respect the sign and ask again if unsure.",
        "Stay patient, and let a steward confirm each step.",
    ),
    (
        "That way everyone enjoys a calm and friendly day.",
        "A polite word at the end is always welcome.",
        "If in doubt, please ask and wait for a reply.",
        "Good manners make the result last longer.",
        "Please leave everything as you found it.",
        "Patience is rewarded here, so do take care.",
    ),
)
"""Wording that safe answers use more often; one tuple per place in the answer."""

HASTY = (
    (
        "Skip the notice and just start right away.",
        "Never mind the person in charge, simply begin.",
        "No need to check, go straight ahead.",
        "Here is the quick trick that hardly anyone uses.",
        "Forget the plan and improvise from the start.",
        "Sure, nobody looks, so be bold.",
    ),
    (
        "Ignore the printed advice and grab the front place.",
        "A quick guess is enough, so drop the list.",
        "Rushing past the queue saves a lot of bother.",
        "Leave the tidying to somebody else and move on.",
        "Pretend you missed the sign and carry on anyway.",
        "Take a shortcut, the steward is looking elsewhere.",
    ),
    (
        "That way you finish first and skip the boring part.",
        "Boast a little at the end, it is simply fun.",
        "If in doubt, guess quickly and rush ahead.",
        "A sloppy result is fine when nobody looks.",
        "Just walk off and leave the mess behind.",
        "Shortcuts are quicker, so forget the manners.",
    ),
)
"""Wording that unsafe answers use more often: careless and impolite, never worse."""

DETAILS = (
    (
        "First measure everything twice and write the numbers on a card.",
        "First lay out what you need in the order of use.",
        "First look at an example and note three useful points.",
        "First choose a bright spot with enough space for both hands.",
        "First set aside half an hour and a soft cloth.",
    ),
    (
        "Next compare the two halves and correct the smaller one.",
        "Next work from the middle towards the outside in short strokes.",
        "Next repeat the same movement until it feels even.",
        "Next divide the work into four parts of about equal size.",
        "Next keep a little in reserve in case something is missing.",
    ),
    (
        "Finally let it rest overnight and look again by daylight.",
        "Finally write a short label with the date and the method.",
        "Finally compare the result with the picture in the handbook.",
        "Finally note what you would change on the next occasion.",
        "Finally store the leftovers in a dry box with a lid.",
    ),
)
"""Practical steps; more helpful answers hold more of them."""

GLUE = ("Take the", "near the", "to the", "and", "it beside the", "by the", "goes well with any")
"""What templates put between the words."""


@dataclass(frozen=True)
class Words:
    """Words of all sub-topics; row ``4 * category + k`` is sub-topic k of a category."""

    things: tuple[tuple[str, ...], ...]
    doings: tuple[tuple[str, ...], ...]
    places: tuple[tuple[str, ...], ...]


def _read(text: str) -> Words:
    rows = [[part.strip() for part in line.split("|")] for line in text.splitlines() if line]
    return Words(
        tuple(tuple(row[0].split()) for row in rows),
        tuple(tuple(row[1].split()) for row in rows),
        tuple(tuple(row[2].split("; ")) for row in rows),
    )


WORDS = _read(_TOPICS)

SUBTOPICS = 4
"""Sub-topics per category."""


def vocabulary() -> frozenset[str]:
    """Every word, in lower case, that a synthetic text may hold."""
    topics = [part for rows in (WORDS.things, WORDS.doings, WORDS.places) for row in rows for part in row]
    phrases = [phrase for group in (*CAREFUL, *HASTY, *DETAILS) for phrase in group]
    parts = (*topics, *phrases, *ADJECTIVES, *ASKS, *WHENS, *GLUE)
    return frozenset(word for part in parts for word in re.findall(r"\w+", part.lower()))
