"""Words that say nothing of a subject, in some languages: what texts ask with, and what holds sentences together.

Languages in Latin letters share words ("die", "pour", "van"), so those that mean a thing in English are left out.
"""

from __future__ import annotations

ENGLISH = """
aren couldn didn doesn don hadn hasn haven isn let like ll mightn mustn needn re shan shouldn use used using ve wasn
weren won wouldn just really thing things want need know make way ways good best help think does did got get getting
additionally important however instead possible usually
gonna going yes ok okay sure someone somebody people person tell say said says try able im ive dont cant whats
could would should do is was what
"""

_OTHERS = {
    "Arabic": """
        كيف ما ماذا لماذا هل من في على إلى عن مع أن إن لا لم لن هذا هذه ذلك تلك هو هي هم نحن أنا أنت التي الذي
        الذين كان كانت يكون يمكن يمكنني يمكنك أريد قد كل بعض أو ثم لكن إذا عند بين بعد قبل حتى أي متى أين فضلك
        لي لك له لها أنه إنه يجب
    """,
    "Bengali": """
        আমি কি কী কেন কিভাবে কীভাবে কোথায় কখন কে এই সেই এবং বা না হয় করতে পারি জন্য থেকে আমার আপনি আমাকে একটি
        করে
    """,
    "Chinese": """
        怎么 怎样 如何 什么 为什么 请问 可以 能够 是否 我们 你们 他们 她们 它们 自己 这个 那个 这些 那些 哪些
        哪个 哪里 以及 因为 所以 但是 如果 而且 或者 一个 一些 一下 一种 没有 不是 还是 就是 知道 告诉 需要 应该
        想要 希望 觉得 时候 非常 谢谢 的话 有人 有些 怎麼 怎樣 什麼 為什麼 請問 能夠 我們 你們 他們 這個 那個
        這些 哪裡 因為 沒有 還是 告訴 應該 覺得 時候 謝謝 的話 的 了 是 在 我 你 他 她 它 们 們 这 這 那 和 与
        與 或 也 都 就 不 没 沒 有 要 会 會 能 可 吗 嗎 呢 吧 啊 把 被 给 給 对 對 从 從 到 为 為 以 及 个 個 一
        很 太 更 最 将 將 还 還 又 再 让 讓 使 用 于 於 而 但 如 何 之 其 此 所 者 去 来 來 说 說 做 想 得 地 着
        著 过 過 里 裡 后 後 前 上 下 中 请 請 问 問 怎 哪 谁 誰
    """,
    "Dutch": """
        hoe wat waarom een het dat voor zonder aan ik mijn jouw hij zij wij kan kunnen moet zijn niet ook maar
        als welke wie waar wanneer naar bij deze dit wordt worden heb heeft
    """,
    "French": """
        comment quoi pourquoi quel quelle quels quelles est sont je tu il elle nous vous ils elles le la les un
        une des du de et ou mais donc que qui dans sur avec par mes tes ses sa notre votre leur ce cette ces cet
        peux peut pouvez faire être avoir j'ai c'est qu'est d'un d'une pas ne très aussi puis-je peut-on
    """,
    "German": """
        wie und der das des dem ein eine einen einer einem eines ist sind nicht kann können mein meine meinen
        meinem mit für auf von zu zum zur aus bei nach über oder aber wenn dass weil ich mich mir du dich wir
        uns ihr sie es auch nur noch sehr wird werden wurde haben habe hatte sein seine kein keine welche
        welcher welches warum wann wo bitte etwas alle alles jede jeder sich als möchte
    """,
    "Greek": """
        πώς τι γιατί το τα τη την τον του της των οι και με για από στο στη στην στον να θα δεν είναι μου σου
        μας σας αυτό αυτή ένα μια που πού όταν αν αλλά
    """,
    "Hebrew": """
        איך מה למה האם של את על עם אני אתה הוא היא הם זה זאת לא כן או גם כי אם אבל יש אין איפה מתי מי כל
    """,
    "Hindi": """
        मैं कैसे क्या क्यों कब कहाँ कौन को का की के में से पर है हैं हूँ हूं था थी थे हो और या यह वह ये वे इस उस
        इसे उसे मुझे मेरा मेरी मेरे आप तुम हम अपना अपनी अपने सकता सकते सकती लिए तक भी ही तो नहीं न कि जो एक कोई
        कुछ कृपया बारे बताओ बताइए चाहता चाहती चाहिए करना करने कर करें किया
    """,
    "Indonesian": """
        bagaimana apa mengapa cara yang dan di ke dari untuk dengan ini itu saya anda kami kita dia mereka tidak
        bisa dapat akan adalah atau pada juga jika karena
    """,
    "Italian": """
        come cosa che perché quale quali con senza del della dei delle degli una uno gli il lo di io mio mia suo
        sua questo questa è sono posso può essere chi ma più molto anche non
    """,
    "Japanese": """
        です ます こと もの ため よう どう どの どれ どこ いつ なぜ なに これ それ あれ この その あの ここ そこ
        どうやって ください 下さい 教え できる でき する いる ある なる れる られる について として から まで
        より など だけ でも しかし また そして あなた いい たい って という ところ 何 誰 私 彼 彼女 方法 方 時
        知
    """,
    "Korean": """
        어떻게 무엇 무엇을 뭐 왜 언제 어디 어디서 누가 누구 우리 나는 저는 제가 내가 있나요 있습니까 하나요
        합니까 알려줘 알려주세요 주세요 대해 대한 위해 그리고 하지만 또는 어떤 하는 있는 없는 해야 이것 그것
        저것
    """,
    "Persian": """
        چگونه چطور چه چرا آیا از در به با را که این آن برای است هست بود شود شد من تو او ما شما آنها می‌توانم
        می‌توان کنم کنید کرد خود یا هم تا اگر اما باید لطفا کجا کی خیلی یک
    """,
    "Polish": """
        jak co dlaczego czy się nie jest są mój moja moje można mogę dla od do bez na po ze który która które
        gdzie kiedy kto ale lub oraz jeśli że aby tak już tylko bardzo być był była
    """,
    "Portuguese": """
        como que qual quais por para com sem das uma umas ele ela eles eu meu minha seus sua este esta isso são
        posso pode fazer ser onde quando quem porque mas mais muito também ao na em um da não
    """,
    "Russian": """
        как что это мне меня мой моя мои моё можно могу ли не ни на по для от из за до без об но или если чтобы
        когда где кто какой какая какие какое почему зачем сколько он она они мы вы ты его её их вам вас тебе
        тебя нам нас себя свой свою своё свои быть есть был была были будет бы так же уже ещё только очень все
        всё всех этот эта эти этого того той тот там тут здесь пожалуйста нужно надо хочу который которая
        которые которого чем чего то да нет
    """,
    "Spanish": """
        cómo como qué que por para con del las los una unos unas el ella ellos yo mi mis tus su sus este esta
        estos estas ese esa es está están puedo puede pueden hacer ser cuál cuáles cuándo dónde quién pero si
        más muy también al lo les se
    """,
    "Swedish, Danish, Norwegian": """
        hur vad varför och att det som för med till från utan jag mig min mitt mina du han hon vi kan ska är var
        inte eller också hvordan hvad hvorfor jeg er ikke til uden hva fra uten på av om
    """,
    "Thai": """
        วิธี ช่วย บอก หน่อย ของ ฉัน ผม คุณ เรา เขา ที่ ใน จะ ได้ ให้ ไม่ มี เป็น และ หรือ กับ จาก ว่า อยาก ต้อง
        ควร อย่างไร อะไร ทำไม ไหม ครับ ค่ะ คะ นะ นี้ นั้น การ ความ เพื่อ แต่ ถ้า ไป มา อยู่ แล้ว ด้วย โดย ซึ่ง
        ยัง ก็ คือ ทำ ยังไง เมื่อ ไร ใคร รู้ เรื่อง
    """,
    "Turkish": """
        nasıl ne neden niçin bir ve ile için bu şu ben benim sen biz siz onlar mi mı mu mü değil var yok çok
        daha ama veya ya da de olarak olan gibi kadar lütfen
    """,
    "Ukrainian": """
        як що це мені мене мій моя мої можна чи не та на за для від до без про але або якщо щоб коли де хто який
        яка які яке чому він вона вони ми ви ти його її їх бути був була були буде так вже ще тільки дуже все
        всі цей ця ці ласка потрібно хочу
    """,
    "Urdu": """
        کیا کیسے کیوں کب کہاں کون میں کو کا کی کے سے پر ہے ہیں اور یہ وہ نے تھا تھی اس ان مجھے میرا میری میرے آپ
        ہم سکتا سکتے لیے بھی نہیں
    """,
    "Vietnamese": """
        làm thế nào để tôi bạn là gì tại sao và của có không một các những cho với trong được này đó khi nếu thì
        như
    """,
}

FILLERS = frozenset(" ".join([ENGLISH, *_OTHERS.values()]).split())
