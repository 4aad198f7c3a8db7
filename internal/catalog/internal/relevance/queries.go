package relevance

// Class is queries that are alike.
type Class struct {
	Name    string
	Queries []Query
}

// Query is what somebody types, and has in mind.
type Query struct {
	Text  string
	Wants Wants
}

// Tuning are the queries to tune by: three of each five.
func (c Class) Tuning() []Query { return c.some(func(i int) bool { return i%5 < 3 }) }

// HeldOut are the others, which nobody looks at while tuning.
func (c Class) HeldOut() []Query { return c.some(func(i int) bool { return i%5 >= 3 }) }

func (c Class) some(is func(i int) bool) []Query {
	var some []Query
	for i, q := range c.Queries {
		if is(i) {
			some = append(some, q)
		}
	}
	return some
}

func kinds(slugs ...string) []string { return slugs }

// Classes are all queries, as shoppers of a Korean shop type them.
var Classes = []Class{
	{"brand", []Query{
		{"나이키", Wants{Brand: "나이키"}},
		{"다이슨", Wants{Brand: "다이슨"}},
		{"노스 페이스", Wants{Brand: "노스페이스"}},
		{"설화수", Wants{Brand: "설화수"}},
		{"로지텍", Wants{Brand: "로지텍"}},
		{"나무결", Wants{Brand: "나무결"}},
		{"삼성", Wants{Brand: "삼성"}},
		{"오뚜기", Wants{Brand: "오뚜기"}},
		{"뉴발란스", Wants{Brand: "뉴발란스"}},
		{"필라", Wants{Brand: "휠라"}},
	}},
	{"kind", []Query{
		{"운동화", Wants{Kinds: kinds("sneakers")}},
		{"커피", Wants{Kinds: kinds("coffee")}},
		{"핸드폰", Wants{Kinds: kinds("smartphones")}},
		{"목도리", Wants{Kinds: kinds("scarves")}},
		{"노트북", Wants{Kinds: kinds("laptops")}},
		{"선크림", Wants{Kinds: kinds("sunscreens")}},
		{"책가방", Wants{Kinds: kinds("backpacks")}},
		{"쌀", Wants{Kinds: kinds("rice")}},
		{"의자", Wants{Kinds: kinds("chairs", "camping-chairs")}},
		{"가방", Wants{Kinds: kinds("all-bags")}},
	}},
	{"brand and kind", []Query{
		{"나이키 운동화", Wants{Brand: "나이키", Kinds: kinds("sneakers")}},
		{"삼성 노트북", Wants{Brand: "삼성", Kinds: kinds("laptops")}},
		{"설화수 크림", Wants{Brand: "설화수", Kinds: kinds("creams")}},
		{"농심 라면", Wants{Brand: "농심", Kinds: kinds("ramen")}},
		{"애플 태블릿", Wants{Brand: "애플", Kinds: kinds("tablets")}},
		{"스니커즈 컨버스", Wants{Brand: "컨버스", Kinds: kinds("sneakers")}},
		{"엘지 모니터", Wants{Brand: "LG", Kinds: kinds("monitors")}},
		{"필립스 에어프라이어", Wants{Brand: "필립스", Kinds: kinds("air-fryers")}},
		{"백두 등산 스틱", Wants{Brand: "백두", Kinds: kinds("hiking-poles")}},
		{"쿡메이트 후라이팬", Wants{Brand: "쿡메이트", Kinds: kinds("frying-pans")}},
	}},
	{"run together", []Query{
		{"나이키운동화", Wants{Brand: "나이키", Kinds: kinds("sneakers")}},
		{"다이슨청소기", Wants{Brand: "다이슨", Kinds: kinds("vacuums")}},
		{"캠핑의자", Wants{Kinds: kinds("camping-chairs")}},
		{"삼성노트북", Wants{Brand: "삼성", Kinds: kinds("laptops")}},
		{"블랙백팩", Wants{Color: "블랙", Kinds: kinds("backpacks")}},
		{"아디다스런닝화", Wants{Brand: "아디다스", Kinds: kinds("running-shoes")}},
		{"오뚜기라면", Wants{Brand: "오뚜기", Kinds: kinds("ramen")}},
		{"수분크림", Wants{Kinds: kinds("creams"), Word: "수분"}},
		{"무선이어폰", Wants{Kinds: kinds("earphones"), Word: "무선"}},
		{"노스페이스패딩", Wants{Brand: "노스페이스", Kinds: kinds("puffers")}},
	}},
	{"colour and kind", []Query{
		{"검정 백팩", Wants{Color: "블랙", Kinds: kinds("backpacks")}},
		{"흰색 운동화", Wants{Color: "화이트", Kinds: kinds("sneakers")}},
		{"네이비 코트", Wants{Color: "네이비", Kinds: kinds("coats")}},
		{"빨간색 패딩", Wants{Color: "레드", Kinds: kinds("puffers")}},
		{"회색 후드티", Wants{Color: "그레이", Kinds: kinds("hoodies")}},
		{"핑크 머그컵", Wants{Color: "핑크", Kinds: kinds("mugs")}},
		{"베이지 토트백", Wants{Color: "베이지", Kinds: kinds("tote-bags")}},
		{"파란 슬리퍼", Wants{Color: "블루", Kinds: kinds("slippers")}},
		{"화이트 키보드", Wants{Color: "화이트", Kinds: kinds("keyboards")}},
		{"까만 원피스", Wants{Color: "블랙", Kinds: kinds("dresses")}},
	}},
	{"more wishes", []Query{
		{"방수 부츠", Wants{Kinds: kinds("boots"), Word: "방수"}},
		{"여름 티셔츠 화이트", Wants{Kinds: kinds("t-shirts"), Color: "화이트", Tag: "여름"}},
		{"노트북 512GB", Wants{Kinds: kinds("laptops"), Size: "512GB"}},
		{"경량 패딩", Wants{Kinds: kinds("puffers"), Word: "경량"}},
		{"운동화 270 화이트", Wants{Kinds: kinds("sneakers"), Size: "270", Color: "화이트"}},
		{"접이식 캠핑 의자", Wants{Kinds: kinds("camping-chairs"), Word: "접이식"}},
		{"게이밍 마우스", Wants{Kinds: kinds("mice"), Word: "게이밍"}},
		{"유기농 견과류", Wants{Kinds: kinds("nuts"), Word: "유기농"}},
		{"여름에 신는 샌들", Wants{Kinds: kinds("sandals"), Tag: "여름"}},
		{"겨울 이불 특가", Wants{Kinds: kinds("duvets"), Tag: "특가"}},
	}},
	{"English", []Query{
		{"nike", Wants{Brand: "나이키"}},
		{"running shoes", Wants{Kinds: kinds("running-shoes")}},
		{"black backpack", Wants{Color: "블랙", Kinds: kinds("backpacks")}},
		{"wireless earphones", Wants{Kinds: kinds("earphones"), Word: "무선"}},
		{"samsung monitor", Wants{Brand: "삼성", Kinds: kinds("monitors")}},
		{"Air Fryer", Wants{Kinds: kinds("air-fryers")}},
		{"leather wallets", Wants{Kinds: kinds("wallets"), Word: "가죽"}},
		{"yogamat", Wants{Kinds: kinds("yoga-mats")}},
		{"north face jacket", Wants{Brand: "노스페이스", Kinds: kinds("puffers", "windbreakers")}},
		{"t shirt", Wants{Kinds: kinds("t-shirts")}},
	}},
	{"mixed", []Query{
		{"nike 운동화", Wants{Brand: "나이키", Kinds: kinds("sneakers")}},
		{"삼성 laptop", Wants{Brand: "삼성", Kinds: kinds("laptops")}},
		{"black 백팩", Wants{Color: "블랙", Kinds: kinds("backpacks")}},
		{"dyson청소기", Wants{Brand: "다이슨", Kinds: kinds("vacuums")}},
		{"화이트 sneakers", Wants{Color: "화이트", Kinds: kinds("sneakers")}},
		{"LG모니터", Wants{Brand: "LG", Kinds: kinds("monitors")}},
		{"아디다스 socks", Wants{Brand: "아디다스", Kinds: kinds("socks")}},
		{"innisfree 토너", Wants{Brand: "이니스프리", Kinds: kinds("toners")}},
		{"puma 반바지", Wants{Brand: "푸마", Kinds: kinds("shorts")}},
		{"camping 의자", Wants{Kinds: kinds("camping-chairs")}},
	}},
	{"typos", []Query{
		{"나이끼 운동화", Wants{Brand: "나이키", Kinds: kinds("sneakers")}},
		{"노트븍", Wants{Kinds: kinds("laptops")}},
		{"아디다수", Wants{Brand: "아디다스"}},
		{"다이손 청소기", Wants{Brand: "다이슨", Kinds: kinds("vacuums")}},
		{"addidas", Wants{Brand: "아디다스"}},
		{"설화슈", Wants{Brand: "설화수"}},
		{"스마트왓치", Wants{Kinds: kinds("smartwatches")}},
		{"쵸콜릿", Wants{Kinds: kinds("chocolate")}},
		{"공기청정끼", Wants{Kinds: kinds("air-purifiers")}},
		{"labtop", Wants{Kinds: kinds("laptops")}},
	}},
	{"half-typed", []Query{
		{"나잌", Wants{Brand: "나이키"}},
		{"나이키 운도", Wants{Brand: "나이키", Kinds: kinds("sneakers")}},
		{"노트부", Wants{Kinds: kinds("laptops")}},
		{"청바ㅈ", Wants{Kinds: kinds("jeans")}},
		{"이어포", Wants{Kinds: kinds("earphones")}},
		{"아디다ㅅ 양말", Wants{Brand: "아디다스", Kinds: kinds("socks")}},
		{"공기청저", Wants{Kinds: kinds("air-purifiers")}},
		{"블랙 백ㅍ", Wants{Color: "블랙", Kinds: kinds("backpacks")}},
		{"요가매", Wants{Kinds: kinds("yoga-mats")}},
		{"sams", Wants{Brand: "삼성"}},
	}},
}
