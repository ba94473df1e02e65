"""A short text of each of these languages: what an office writes on its notice board, and two questions about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    language: str
    keys: str
    canteen: str
    parking: str
    asked_keys: str  # a plain question that the sentence about keys answers
    asked_parking: str

    @property
    def sentences(self) -> tuple[str, str, str]:
        return self.keys, self.canteen, self.parking

    @property
    def text(self) -> str:
        return "\n\n".join(self.sentences)


NOTICES = [
    Notice("en", "The spare keys are kept in the grey cabinet.", "The canteen opens at eleven.", "Parking costs 2 euros a day.", "Where are the spare keys kept?", "What does parking cost?"),
    Notice("de", "Die Ersatzschlüssel liegen im grauen Schrank.", "Die Kantine öffnet um elf Uhr.", "Das Parken kostet 2 Euro am Tag.", "Wo liegt der Ersatzschlüssel?", "Was kostet das Parken?"),
    Notice("fr", "Les clés de réserve sont dans l’armoire grise.", "La cantine ouvre à onze heures.", "Le stationnement coûte 2 euros par jour.", "Où est la clé de réserve ?", "Combien coûte le stationnement ?"),
    Notice("es", "Las llaves de repuesto están en el armario gris.", "El comedor abre a las once.", "El aparcamiento cuesta 2 euros al día.", "¿Dónde está la llave de repuesto?", "¿Cuánto cuesta el aparcamiento?"),
    Notice("it", "Le chiavi di riserva sono nell'armadio grigio.", "La mensa apre alle undici.", "Il parcheggio costa 2 euro al giorno.", "Dove sono le chiavi di riserva?", "Quanto costa il parcheggio?"),
    Notice("pt", "As chaves suplentes estão no armário cinzento.", "A cantina abre às onze.", "O estacionamento custa 2 euros por dia.", "Onde está a chave suplente?", "Quanto custa o estacionamento?"),
    Notice("nl", "De reservesleutels liggen in de grijze kast.", "De kantine gaat om elf uur open.", "Parkeren kost 2 euro per dag.", "Waar ligt de reservesleutel?", "Wat kost parkeren?"),
    Notice("sv", "Reservnycklarna ligger i det grå skåpet.", "Matsalen öppnar klockan elva.", "Parkeringen kostar 2 euro om dagen.", "Var ligger reservnyckeln?", "Vad kostar parkering?"),
    Notice("da", "Reservenøglerne ligger i det grå skab.", "Kantinen åbner klokken elleve.", "Parkeringen koster 2 euro om dagen.", "Hvor ligger reservenøglen?", "Hvad koster parkering?"),
    Notice("fi", "Vara-avaimet ovat harmaassa kaapissa.", "Ruokala aukeaa kello yksitoista.", "Pysäköinti maksaa 2 euroa päivässä.", "Missä vara-avain on?", "Paljonko pysäköinti maksaa?"),
    Notice("pl", "Klucze zapasowe leżą w szarej szafie.", "Stołówka jest czynna od jedenastej.", "Parking kosztuje 2 euro dziennie.", "Gdzie leży klucz zapasowy?", "Ile kosztuje parking?"),
    Notice("cs", "Náhradní klíče leží v šedé skříni.", "Jídelna otevírá v jedenáct hodin.", "Parkování stojí 2 eura denně.", "Kde leží náhradní klíč?", "Kolik stojí parkování?"),
    Notice("hu", "A pótkulcsok a szürke szekrényben vannak.", "Az étkezde tizenegykor nyit.", "A parkolás naponta 2 euróba kerül.", "Hol van a pótkulcs?", "Mennyibe kerül a parkolás?"),
    Notice("ro", "Cheile de rezervă sunt în dulapul gri.", "Cantina se deschide la unsprezece.", "Parcarea costă 2 euro pe zi.", "Unde este cheia de rezervă?", "Cât costă parcarea?"),
    Notice("tr", "Yedek anahtarlar gri dolapta duruyor.", "Yemekhane on birde açılır.", "Otoparkın günlük ücreti 2 avrodur.", "Yedek anahtar nerede?", "Otopark ücreti ne kadar?"),
    Notice("ru", "Запасные ключи лежат в сером шкафу.", "Столовая открывается в одиннадцать.", "Парковка стоит 2 евро в день.", "Где лежит запасной ключ?", "Сколько стоит парковка?"),
    Notice("uk", "Запасні ключі лежать у сірій шафі.", "Їдальня відчиняється об одинадцятій.", "Паркування коштує 2 євро на день.", "Де лежить запасний ключ?", "Скільки коштує паркування?"),
    Notice("el", "Τα εφεδρικά κλειδιά είναι στο γκρι ντουλάπι.", "Η καντίνα ανοίγει στις έντεκα.", "Η στάθμευση κοστίζει 2 ευρώ την ημέρα.", "Πού είναι το εφεδρικό κλειδί;", "Πόσο κοστίζει η στάθμευση;"),
    Notice("ar", "المفاتيح الاحتياطية في الخزانة الرمادية.", "يفتح المطعم في الساعة الحادية عشرة.", "تكلفة موقف السيارات ٢ يورو في اليوم.", "أين المفتاح الاحتياطي؟", "كم تكلفة موقف السيارات؟"),
    Notice("he", "המפתחות הרזרביים נמצאים בארון האפור.", "חדר האוכל נפתח באחת עשרה.", "החניה עולה 2 אירו ליום.", "איפה המפתחות הרזרביים?", "כמה עולה החניה?"),
    Notice("fa", "کلیدهای یدکی در کمد خاکستری است.", "غذاخوری ساعت یازده باز می‌شود.", "هزینهٔ پارکینگ روزی ۲ یورو است.", "کلید یدکی کجاست؟", "هزینه پارکینگ چقدر است؟"),
    Notice("hi", "अतिरिक्त चाबियाँ स्लेटी अलमारी में रखी हैं।", "भोजनालय ग्यारह बजे खुलता है।", "पार्किंग का शुल्क २ यूरो प्रति दिन है।", "अतिरिक्त चाबी कहाँ रखी है?", "पार्किंग का शुल्क कितना है?"),
    Notice("bn", "অতিরিক্ত চাবি ধূসর আলমারিতে রাখা আছে।", "ক্যান্টিন এগারোটায় খোলে।", "পার্কিংয়ের খরচ দিনে ২ ইউরো।", "অতিরিক্ত চাবি কোথায় রাখা আছে?", "পার্কিংয়ের খরচ কত?"),
    Notice("ta", "கூடுதல் சாவிகள் சாம்பல் அலமாரியில் உள்ளன.", "உணவகம் பதினொரு மணிக்கு திறக்கும்.", "வாகன நிறுத்தக் கட்டணம் ஒரு நாளைக்கு 2 யூரோ.", "கூடுதல் சாவி எங்கே உள்ளது?", "வாகன நிறுத்தக் கட்டணம் எவ்வளவு?"),
    Notice("th", "กุญแจสำรองอยู่ในตู้สีเทา", "โรงอาหารเปิดเวลาสิบเอ็ดนาฬิกา", "ค่าจอดรถวันละ ๒ ยูโร", "กุญแจสำรองอยู่ที่ไหน", "ค่าจอดรถเท่าไร"),
    Notice("my", "အပိုသော့များသည် မီးခိုးရောင်ဗီရိုထဲတွင် ရှိသည်။", "စားသောက်ဆိုင်သည် ဆယ့်တစ်နာရီတွင် ဖွင့်သည်။", "ကားရပ်နားခသည် တစ်ရက် ၂ ယူရိုဖြစ်သည်။", "အပိုသော့များ ဘယ်မှာရှိသလဲ။", "ကားရပ်နားခ ဘယ်လောက်လဲ။"),
    Notice("ja", "予備の鍵は灰色の戸棚にあります", "食堂は十一時に開きます", "駐車料金は一日二ユーロ", "予備の鍵はどこですか。", "駐車料金はいくらですか。"),
    Notice("zh", "备用钥匙放在灰色柜子里。", "食堂十一点开门。", "停车费每天两欧元。", "备用钥匙放在哪里？", "停車費多少錢？"),
    Notice("ko", "예비 열쇠는 회색 캐비닛에 있다", "식당은 열한 시에 연다", "주차 요금은 하루 2유로", "예비 열쇠는 어디에 있나요?", "주차 요금은 얼마인가요?"),
    Notice("vi", "Chìa khóa dự phòng nằm trong tủ xám.", "Nhà ăn mở cửa lúc mười một giờ.", "Phí đỗ xe là 2 euro một ngày.", "Chìa khóa dự phòng ở đâu?", "Phí đỗ xe bao nhiêu?"),
    Notice("id", "Kunci cadangan ada di lemari abu-abu.", "Kantin buka pukul sebelas.", "Biaya parkir 2 euro per hari.", "Di mana kunci cadangan?", "Berapa biaya parkir?"),
    Notice("hy", "Պահեստային բանալիները մոխրագույն պահարանում են։", "Ճաշարանը բացվում է տասնմեկին։", "Կայանատեղին արժե օրական 2 եվրո։", "Որտե՞ղ են պահեստային բանալիները։", "Որքա՞ն արժե կայանատեղին։"),
    Notice("eu", "Ordezko giltzak armairu grisean daude.", "Jantokia hamaiketan irekitzen da.", "Aparkalekuak 2 euro balio du egunean.", "Non daude ordezko giltzak?", "Zenbat balio du aparkalekuak?"),
    Notice("ga", "Tá na heochracha breise sa chófra liath.", "Osclaíonn an bhialann ar a haon déag.", "Cosnaíonn páirceáil 2 euro sa lá.", "Cá bhfuil na heochracha breise?", "Cad é costas páirceáil?"),
    Notice("sr", "Резервни кључеви су у сивом орману.", "Кантина се отвара у једанаест.", "Паркинг кошта 2 евра дневно.", "Gde su rezervni ključevi?", "Koliko košta parking?"),
    Notice("bg", "Резервните ключове са в сивия шкаф.", "Столът отваря в единайсет часа.", "Паркирането струва 2 евро на ден.", "Къде са резервните ключове?", "Колко струва паркирането?"),
    Notice("ka", "სათადარიგო გასაღებები ნაცრისფერ კარადაშია.", "სასადილო თერთმეტზე იხსნება.", "პარკინგი დღეში 2 ევრო ღირს.", "სად არის სათადარიგო გასაღები?", "რა ღირს პარკინგი?"),
    Notice("am", "ተጨማሪ ቁልፎች በግራጫው ቁም ሳጥን ውስጥ ናቸው።", "ምግብ ቤቱ በአምስት ሰዓት ይከፈታል።", "የመኪና ማቆሚያ በቀን 2 ዩሮ ነው።", "ተጨማሪ ቁልፎች የት ናቸው?", "የመኪና ማቆሚያ ስንት ነው?"),
]  # fmt: skip
