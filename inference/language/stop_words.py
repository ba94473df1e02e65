"""Stop words: too common to tell texts apart.

Eight languages have lists of our own. The others have those of Stopwords ISO, without their long words: its
lists also hold words such as "decision", which questions are about. A language without a list has no stop words.
"""

from functools import cache

import regex
import stopwordsiso

from .letters import lower, normalize

_LISTS = {
    "en": """a about above after again all also am an and any are aren't as at be because been before being
        below between both but by can cannot can't could couldn't did didn't do does doesn't doing don't down during
        each ever few for from further get gets give given had has have having he her here hers him his how i if in
        into is isn't it it's its itself just let me more most much my no nor not of off on once only or other our
        ours out over own please same say said says she should show so some such tell than that that's the their theirs them then
        there these they this those through to too under until up us very was wasn't we were what what's when where
        which while who whom whose why will with within without would you your yours""",
    "de": """aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei beim bin bis
        bist da damit dann das dass dem den denn der des dessen die dies diese diesem diesen dieser dieses doch dort
        du durch ein eine einem einen einer eines er es etwas euer für gegen gibt hab habe haben hat hatte hatten hier
        hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in indem ins ist jede jedem jeden jeder jedes kann
        kein keine keinem keinen keiner können könnte machen man mehr mein meine mich mir mit muss nach nicht nichts
        noch nun nur ob oder ohne sehr sein seine seinem seinen seiner seit sich sie sind so soll sollte sondern
        sonst über um und uns unser unter viel vom von vor wann war waren warum was weil welche welchem welchen
        welcher welches wem wen wenn wer werde werden wessen wie wieder wieso will wir wird wirst wo wofür woher wohin
        womit wurde wurden zu zum zur zwar zwischen""",
    "es": """a al algo algunas algunos ante antes aquel aquella como con contra cual cuál cuales cuáles cuando
        cuándo cuánta cuántas cuánto cuántos de del desde donde dónde durante e el él ella ellas ellos en entre era
        eran eres es esa esas ese eso esos esta está estaba estado estamos están estar estas este esto estos fue fueron
        ha había han hasta hay la las le les lo los más me mi mis mucho muchos muy nada ni no nos nosotros o otra otras
        otro otros para pero poco por porque qué que quien quién quienes quiénes se sea según ser si sí sido sin sobre
        son su sus también tan tanto te tiene tienen tu tus un una uno unos usted y ya yo""",
    "fr": """à ai alors après as au aucun aussi autre autres aux avant avec avoir avons ayant bien c ce ceci cela
        celle celles celui ces cet cette ceux chez comme comment combien d dans de des depuis donc dont du elle elles
        en encore entre est et étaient était être eu eux fait faut il ils j je l la le les leur leurs lors lui m ma
        mais me même mes moi mon n ne ni nos notre nous on ont ou où par parce pas pendant peut peuvent plus pour
        pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se sera ses si son sont sous sur t ta te tes
        toi ton tous tout toute toutes très tu un une vers vos votre vous y""",
    "it": """a abbiamo ad agli ai al alla alle allo anche ancora avere aveva c che chi ci ciò come con contro cosa
        così cui da dagli dai dal dalla dalle dei del dell della delle dello di dopo dov dove e è ed era erano essere fa
        fra gli ha hanno ho i il in io l la le lei li lo loro lui ma me mi mio molto ne nei nel nella nelle nello no noi
        non nostro o ogni per perché perchè più poi può qual quale quali quando quanta quante quanti quanto quel quella
        quelle quelli quello questa queste questi questo qui se sei senza si sì sia siamo sono sta stata stato su sua
        sue sui sul sulla suo suoi tra tu tua tuo tutti tutto un una uno vi voi""",
    "pt": """a ao aos aquela aquele aquilo as às até com como da das de dela dele deles depois do dos e é ela
        elas ele eles em entre era eram essa esse esta está estão estava este eu foi foram há isso isto já lhe mais mas
        me mesmo meu minha muito na não nas nem no nos nós o onde os ou para pela pelas pelo pelos por porque porquê
        qual quais quando quanta quantas quanto quantos que quê quem são se seja sem ser será seu seus só sobre sua
        suas também te tem têm ter tinha tu um uma umas uns você vocês""",
    "nl": """aan al alle alles als ben bij daar dan dat de der deze die dit doch doen door dus een en er ge geen
        geweest had heb hebben heeft hem het hier hij hoe hoeveel hun ik in is ja je kan kon kunnen maar me meer men met
        mij mijn moet na naar niet niets nog nu of om omdat onder ons ook op over reeds te tegen toch toen tot u uit uw
        van veel voor waar waarom wanneer want waren was wat we welk welke werd wezen wie wil worden wordt zal ze zelf
        zich zij zijn zo zonder zou""",
    "ru": """а без более бы был была были было быть в вам вас ведь весь во вот все всего всех вы где да для до его
        ее её если есть еще ещё же за здесь и из или им их к как какая какие какой какое каком когда кого кому кто ли
        между меня мне много может мы на над не него нее нет ни но о об один он она они оно от очень по под при про с со
        сколько так также такой там то того тоже только том ты у уже чего чем что чтобы эта эти это этого этой этом этот
        я""",
    "vi": """ai bao bị cho chúng có cái các còn của cũng do gì hay hoặc hơn khi không là làm lại lên mà mình mấy mỗi một
        nhiêu nhưng nhất những như này nào nên nó nếu nữa phải qua ra rất rồi sao sau sẽ ta theo thì thế trong trên trước
        tôi từ tại tới và vào vì về với vẫn vậy xin xuống đang đâu đã đó được đến để đều đi đây ở""",
    "uk": """а або без би був була були було бути в вам вас вже ви від він вона вони воно все всі весь де для до його її
        їх є ж же з за зі і із й коли кому кого котра котрий куди ледве ми на над нам нас не ні ну о об оця під по при
        про та так такий така також те ти то тобто того тощо у хто хіба це цей ця ці чи чий чому через що щоб що скільки
        як яка яке який яких якщо які яким якою я""",
}
_SAME = {"nb": "no", "nn": "no", "bs": "hr", "sr": "hr", "sh": "hr"}
_MAX_CHARACTERS = 6  # of a word from Stopwords ISO
_WORDS = regex.compile(r"[\p{L}\p{M}]+")


@cache
def stop_words(language: str) -> frozenset[str]:
    """Return the stop words of a language, normalized and in lower case."""
    if listed := _LISTS.get(language):
        listed = normalize(listed, language)
    else:
        known = _SAME.get(language, language)
        words = stopwordsiso.stopwords(known) if known in stopwordsiso.langs() else ()
        whole = (normalize(word, language) for word in words)
        listed = " ".join(word for word in whole if _WORDS.fullmatch(word) and len(word) <= _MAX_CHARACTERS)
    return frozenset(lower(word, language) for word in _WORDS.findall(listed))
