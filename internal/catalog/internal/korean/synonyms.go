package korean

import "strings"

// Words that mean the same to a shopper. A word stands in one group only; an underscore is a space in it.
var synonyms = []string{
	// brands
	"나이키 nike", "아디다스 adidas", "푸마 puma", "뉴발란스 newbalance nb", "컨버스 converse", "반스 vans", "리복 reebok", "아식스 asics",
	"휠라 필라 fila", "노스페이스 northface", "삼성 samsung", "엘지 lg", "애플 apple", "소니 sony", "필립스 philips", "다이슨 dyson",
	"로지텍 logitech", "설화수 sulwhasoo", "라네즈 laneige", "이니스프리 innisfree", "에스티로더 esteelauder", "농심 nongshim", "오뚜기 ottogi",
	"레고 lego", "유니클로 uniqlo", "리바이스 levis levi",
	// kinds
	"운동화 스니커즈 sneaker", "신발 슈즈 shoe", "런닝화 러닝화 러닝_운동화", "런닝 러닝 running", "구두 로퍼 loafer", "부츠 boot", "샌들 sandal", "슬리퍼 slipper",
	"티셔츠 tshirt tee", "셔츠 남방 shirt", "맨투맨 스웨트셔츠 sweatshirt", "후드 후디 hoodie", "니트 스웨터 knit sweater", "가디건 cardigan",
	"자켓 재킷 jacket", "코트 coat", "패딩 다운 puffer", "청바지 데님 jean denim", "바지 팬츠 pant trouser", "반바지 숏팬츠 short", "레깅스 legging",
	"원피스 드레스 dress", "치마 스커트 skirt", "양말 삭스 sock", "모자 cap hat", "목도리 머플러 scarf muffler", "벨트 belt",
	"가방 bag", "백팩 책가방 배낭 backpack", "토트백 tote", "크로스백 crossbody", "지갑 wallet", "캐리어 여행가방 suitcase",
	"토너 스킨 toner", "로션 에멀전 lotion", "세럼 에센스 앰플 serum essence", "크림 cream", "선크림 썬크림 자외선차단제 sunscreen", "립스틱 루즈 lipstick",
	"쿠션 cushion", "향수 퍼퓸 perfume", "샴푸 shampoo", "마스크팩 sheetmask", "클렌저 클렌징 cleanser",
	"노트북 랩탑 laptop notebook", "태블릿 tablet", "스마트폰 휴대폰 핸드폰 smartphone phone", "이어폰 earphone earbud", "헤드폰 헤드셋 headphone headset",
	"스피커 speaker", "키보드 keyboard", "마우스 mouse", "모니터 monitor", "충전기 charger", "보조배터리 powerbank", "카메라 camera", "스마트워치 smartwatch",
	"청소기 vacuum", "공기청정기 airpurifier", "선풍기 fan", "에어프라이어 airfryer", "밥솥 전기밥솥 ricecooker", "전기포트 kettle", "믹서기 블렌더 blender", "드라이기 드라이어 dryer",
	"커피 원두 coffee", "차 tea", "라면 ramen ramyun", "과자 스낵 snack", "견과 견과류 nut", "생수 water", "초콜릿 초콜렛 chocolate", "김치 kimchi", "쌀 rice", "꿀 honey",
	"축구공 football soccerball", "농구공 basketball", "요가매트 yogamat", "덤벨 아령 dumbbell", "텐트 tent", "캠핑 camping", "자전거 bicycle bike", "등산 hiking",
	"이불 duvet", "베개 pillow", "수건 타월 towel", "머그 머그컵 mug", "냄비 pot", "프라이팬 fryingpan", "조명 스탠드 lamp", "의자 chair", "책상 desk",
	// colours
	"검정 블랙 검은색 검정색 검은 까만 까만색 black", "흰색 화이트 하양 하얀 하얀색 white", "빨강 레드 빨간 빨간색 red", "파랑 블루 파란 파란색 blue", "네이비 남색 navy", "초록 그린 초록색 녹색 green", "노랑 옐로우 노란 노란색 yellow",
	"회색 그레이 gray grey", "베이지 beige", "분홍 핑크 분홍색 pink", "갈색 브라운 밤색 brown", "보라 퍼플 보라색 purple", "카키 khaki", "은색 실버 silver", "크림색 아이보리 ivory",
}

// groups has the words of each word's group.
var groups = func() map[string][]string {
	of := map[string][]string{}
	for _, group := range synonyms {
		words := wordsOf(group)
		for _, w := range words {
			of[w] = words
		}
	}
	return of
}()

func wordsOf(group string) []string {
	words := strings.Fields(group)
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "_", " ")
	}
	return words
}

// Synonyms returns the groups of words that mean the same, each folded, and in one group only. Some have a space in them.
func Synonyms() [][]string {
	all := make([][]string, len(synonyms))
	for i, group := range synonyms {
		all[i] = wordsOf(group)
	}
	return all
}

// SynonymsOf returns the group of a folded, squeezed word, itself included; nil where it has none.
func SynonymsOf(word string) []string { return groups[word] }
